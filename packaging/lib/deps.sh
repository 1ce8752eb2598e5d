# shellcheck shell=bash
# deps: installs the Debian or Ubuntu packages that building and testing need, and only those that
# are missing. Sourced by tests/run and packaging/quickstart; never adds a package source, never
# upgrades what is there, never starts the service that a package brings.

# What a purpose needs. "a|b": the first of them that this release has.
deps_list()
{
    case $1 in
        build) echo gcc libc6-dev cmake ninja-build pkg-config libuv1-dev libcurl4-openssl-dev \
            libmongoc-dev libinih-dev libc-ares-dev libmicrohttpd-dev libjansson-dev libssl-dev \
            zlib1g-dev libutf8proc-dev libcmocka-dev ;;
        servers) echo python3 python3-pymongo procps util-linux ;;
        test) echo 'clang-14|clang' 'libclang-rt-14-dev|libclang-rt-dev' \
            'clang-format-14|clang-format' 'clang-tidy-14|clang-tidy' 'nginx-light|nginx' \
            git shellcheck python3-pytest python3-pytest-xdist python3-pytest-rerunfailures python3-pymongo python3-dnslib \
            openssl curl haproxy prometheus iproute2 nftables strace faketime s6 python3-yaml python3-pyte \
            'chromium|chromium-browser' python3-websocket fonts-dejavu-core \
            mandoc zsh fish bash-completion redis-server redis-tools postgresql pgbouncer mariadb-server \
            memcached nats-server mosquitto etcd-server openssh-server ;;
        static) echo debian-archive-keyring linux-libc-dev dpkg-dev make perl xz-utils ;;
        emulation) echo qemu-user-static ;;
        bench) echo musl-tools wait-for-it netcat-openbsd curl valgrind python3-pymongo nginx-light haproxy prometheus \
            prometheus-blackbox-exporter openssl libmongoc-dev redis-server redis-tools postgresql mariadb-server ;;
        release) echo gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross minisign skopeo ;;
        deb) echo dpkg-dev gzip ;;
        packages) echo lintian systemd util-linux minisign skopeo buildah ;;
        containers) echo debootstrap docker-compose yamllint podman runc crun uidmap ;;
        *) return 1 ;;
    esac
}

deps_say() { echo "deps: $*" >&2; }

deps_as_root()
{
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        deps_say "this needs root, and there is no sudo: $*"
        return 1
    fi
}

deps_has() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# deps_install_for PURPOSE...
deps_install_for()
{
    local purpose entries=()
    for purpose in "$@"; do
        # shellcheck disable=SC2207 # words are meant
        entries+=($(deps_list "$purpose"))
    done
    deps_install "${entries[@]}"
}

# deps_install NAME...: what is installed already costs no more than a look.
deps_install()
{
    local entry name missing=()
    if ! command -v dpkg-query >/dev/null; then
        deps_say "not a Debian or Ubuntu system: install by hand the like of: $*"
        return 0
    fi
    for entry in "$@"; do
        for name in ${entry//|/ }; do
            deps_has "$name" && continue 2
        done
        missing+=("$entry")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    deps_say "missing: ${missing[*]}"
    deps_say "reading the package lists"
    deps_as_root apt-get update -qq || deps_say "apt-get update failed; going on with the old lists"
    local chosen=()
    for entry in "${missing[@]}"; do
        for name in ${entry//|/ }; do
            if [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then
                chosen+=("$name")
                continue 2
            fi
        done
        chosen+=("${entry%%|*}") # apt-get says what is wrong with it
    done
    deps_say "installing: ${chosen[*]}"
    deps_without_services apt-get install -y -qq --no-install-recommends "${chosen[@]}" >&2
}

# A package's service must not start just because we need its program.
deps_without_services()
{
    local policy=/usr/sbin/policy-rc.d rc=0
    if [ -e "$policy" ]; then
        deps_as_root env DEBIAN_FRONTEND=noninteractive "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | deps_as_root tee "$policy" >/dev/null
    deps_as_root chmod 755 "$policy"
    deps_as_root env DEBIAN_FRONTEND=noninteractive "$@" || rc=$?
    deps_as_root rm -f "$policy"
    return "$rc"
}

# go, where neither a mongod nor a MONGODB_URI makes it needless.
deps_install_go()
{
    if [ -n "${MONGODB_URI:-}" ] || command -v mongod go >/dev/null || [ -x /usr/local/go/bin/go ]; then
        return 0
    fi
    deps_install golang-go ca-certificates # go asks its proxy over TLS
}
