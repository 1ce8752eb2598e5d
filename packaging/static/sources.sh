# shellcheck shell=bash disable=SC2154
# sources.sh: gets each dependency's source from Debian, whatever release this machine has. apt works
# with package sources and folders of its own, so that nothing under /etc or /var/lib/apt changes.
# `source_fetch` leaves its result in $dsc; nothing here builds anything.

suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
indexed=no dsc=

mirror_of() { # NAME: debian or debian-security: the address that this machine has for it, else below
  # $PROBE_STATIC_MIRROR, else beside the one that it has for debian; else nothing
  cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
    awk -v name="$1" -v address="${PROBE_STATIC_MIRROR:+$PROBE_STATIC_MIRROR/$1}" '
      /^[[:space:]]*#/ { next }
      { for (i = 1; i <= NF; i++) {
          if (!found && $i ~ "^https?://.*/" name "/?$") { address = $i; found = 1 }
          if (!beside && $i ~ "^https?://.*/debian/?$") { beside = $i } } }
      END { if (!address && beside) { sub("/debian/?$", "/" name, beside); address = beside }
        sub("/$", "", address); print address }'
}

apt_private() { # the apt options that keep all state under $cache/static-apt
  local state=$cache/static-apt
  printf '%s\n' -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$state/sources" \
    -o "Dir::State::lists=$state/lists" -o "Dir::Cache=$state/cache" \
    -o "Acquire::http::Timeout=30" -o "Acquire::Retries=2" -o "APT::Sandbox::User=root"
}

sources_index() { # the list of what the mirror has, once a run; apt checks Debian's signature
  [ $indexed = no ] || return 0
  indexed=yes
  local state=$cache/static-apt name suites options address
  mkdir -p "$state/sources" "$state/lists/partial" "$state/cache/archives/partial"
  rm -f "$state"/sources/*
  for name in debian debian-security; do
    address=$(mirror_of $name)
    [ -n "$address" ] || continue
    suites="$suite $suite-updates"
    [ $name = debian ] || suites=$suite-security
    printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
      "$address" "$suites" "$keyring" >"$state/sources/$name.sources"
  done
  mapfile -t options < <(apt_private)
  timeout 180 apt-get "${options[@]}" -qq update >"$state/update.log" 2>&1
}

pins() { # NAME: its lines in versions
  awk -v n="$1" '$1 == n {print $2, $3}' "$here/versions"
}

listed() { # NAME: the versions that the mirror lists, newest first
  local options
  sources_index || true
  mapfile -t options < <(apt_private)
  apt-cache "${options[@]}" showsrc --only-source "$1" 2>/dev/null |
    awk '/^Version:/ {print $2}' | sort -ruV
}

source_folder() { # NAME VERSION: what was fetched once stays, so a later build needs no network
  echo "$cache/static-sources/$1_${2//[^A-Za-z0-9.+~-]/_}"
}

fetch_file() { # ADDRESS NAME SHA256: into the current folder, by apt's own downloader
  local options
  mapfile -t options < <(apt_private)
  timeout 300 /usr/lib/apt/apt-helper "${options[@]}" download-file "$1/$2" "$2" "SHA256:$3"
}

# A pinned source needs no list: its address follows from its name, its content from its checksum.
fetch_pinned() { # NAME VERSION SHA256: into the current folder
  local folder=${1:0:1} at file="$1_${2#*:}.dsc" sum part mirror
  [[ $1 != lib* ]] || folder=${1:0:4}
  for mirror in debian debian-security; do
    at=$(mirror_of $mirror)
    [ -n "$at" ] || continue
    [ $mirror = debian ] && at=$at/pool/main || at=$at/pool/updates/main
    at=$at/$folder/$1
    fetch_file "$at" "$file" "$3" || continue
    while read -r sum part; do
      fetch_file "$at" "$part" "$sum" || continue 2
    done < <(awk '/^[^ ]/ {on = /^Checksums-Sha256:/; next} on && NF == 3 {print $1, $3}' "$file")
    return 0
  done
  return 1
}

fetch_listed() { # NAME VERSION: into the current folder
  local options
  mapfile -t options < <(apt_private)
  timeout 300 apt-get "${options[@]}" -qq --download-only --only-source source "$1=$2"
}

source_download() { # NAME VERSION [SHA256]
  local dir way=fetch_listed
  dir=$(source_folder "$1" "$2")
  [ $# = 2 ] || way=fetch_pinned
  if [ ! -e "$dir/.complete" ]; then
    rm -rf "$dir" && mkdir -p "$dir"
    (cd "$dir" && "$way" "$@") >"$dir/.log" 2>&1 || return 1
    : >"$dir/.complete"
  fi
  dsc=$(source_in "$1" "$dir")
}

source_in() { # NAME DIR: prints the .dsc of that name that lies there
  local found
  for found in "$2"/"$1"_*.dsc; do
    [ ! -e "$found" ] || { echo "$found" && return 0; }
  done
  return 1
}

# NAME: leaves in $dsc the path of a .dsc with its files beside it: the pinned one, or else, with a
# warning, the newest that the mirror has; with --pin the newest first.
source_fetch() {
  local name=$1 version sum first=""
  if [ -n "${PROBE_STATIC_SOURCES:-}" ] && dsc=$(source_in "$name" "$PROBE_STATIC_SOURCES"); then
    source_check "$name"
    return
  fi
  while read -r version sum; do
    # shellcheck disable=SC2086 # no sum is no argument
    if source_download "$name" "$version" $sum && source_check "$name"; then
      [ -z "$first" ] || say "warning: $name $first could not be had: $version is used instead"
      return 0
    fi
    first=${first:-$version}
  done < <([ "$pin" = no ] || listed "$name"; pins "$name"; [ "$pin" = yes ] || listed "$name")
  say "error: the source of $name could not be had (wanted: ${first:-nothing is pinned})."
  say "  A way on: lay the .dsc, .orig.tar.* and .debian.tar.* of the version that"
  say "  packaging/static/versions names into a folder and set PROBE_STATIC_SOURCES to it,"
  say "  or run 'packaging/static/build --pin' to take what the mirror has today."
  [ ! -s "$cache/static-apt/update.log" ] || sed 's/^/  apt: /' "$cache/static-apt/update.log" >&2
  return 1
}

source_check() { # NAME: the pinned version, in $dsc, has the pinned content
  local version want have
  version=$(awk '/^Version:/ {print $2; exit}' "$dsc")
  want=$(pins "$1" | awk -v v="$version" '$1 == v {print $2}')
  have=$(sha256sum "$dsc" | cut -d' ' -f1)
  [ -z "$want" ] || [ "$have" = "$want" ] ||
    { say "error: $dsc has SHA-256 $have, packaging/static/versions says $want: not used" && return 1; }
}
