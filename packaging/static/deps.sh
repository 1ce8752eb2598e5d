# shellcheck shell=bash disable=SC2086,SC2116,SC2154,SC2164
# deps.sh: how each dependency is built: small, static, without what probe never uses. Each
# recipe runs in the unpacked source, installs into $prefix and writes its own .pc file, so that
# the order of the libraries at the link is ours. The hash of this file is part of the cache's key.

# No unwind tables and one section a function: the linker drops what nothing calls. The stack
# protector stays: these libraries read what strangers send.
deps_cflags="-Os -g0 -fno-pie -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
  -fno-unwind-tables -fstack-protector-strong"
deps_cflags=$(echo $deps_cflags)

write_pc() { # NAME VERSION LIBS [REQUIRES] [CFLAGS]
  mkdir -p "$prefix/lib/pkgconfig"
  cat >"$prefix/lib/pkgconfig/$1.pc" <<PC
prefix=\${pcfiledir}/../..
Name: $1
Description: $1, static, for probe
Version: $2
Requires: ${4:-}
Libs: -L\${prefix}/lib $3
Cflags: -I\${prefix}/include ${5:-}
PC
}

upstream_version() { # 1.44.2-1+deb12u1 -> 1.44.2
  local v=${1%-*}
  echo "${v%%[+~]*}"
}

deps_cmake() { # configure in ./b with the tool chain
  cmake -S . -B b -G Ninja -DCMAKE_TOOLCHAIN_FILE="$here/musl.cmake" -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib -DBUILD_SHARED_LIBS=OFF "$@"
}

build_openssl() {
  local target p256=
  case $(uname -m) in
    x86_64) target=linux-x86_64 p256=enable-ec_nistp_64_gcc_128 ;;
    aarch64) target=linux-aarch64 p256=enable-ec_nistp_64_gcc_128 ;;
    *) target=linux-generic64 ;;
  esac
  # P-256 in C instead of in assembly: as fast for one handshake without its table of 150 KB.
  sed -i -E 's/ecp_nistz256\.c ecp_nistz256-[a-z0-9_]+\.[sS]//; s/ECP_NISTZ256_ASM//' \
    crypto/ec/build.info
  # The CPU is asked what it can do when OpenSSL is set up, not at every start of the program: in
  # a virtual machine each question goes to the host and costs as much as a system call or ten.
  sed -i '/^\.section\s*\.init$/,/call\s*OPENSSL_cpuid_setup/d' crypto/x86_64cpuid.pl
  # TLS 1.2 and 1.3 with the ciphers in use; security level 2 as in Debian's own build. The
  # configuration file is not read: an image's openssl.cnf names modules that are not here.
  CC=musl-cc ./Configure "$target" --prefix=/usr --openssldir=/etc/ssl --libdir=lib \
    no-shared no-pic no-engine no-dso no-module no-legacy no-async no-comp no-ktls no-dtls no-srp \
    no-psk no-ssl3 no-tls1 no-tls1_1 no-afalgeng no-tests no-ui-console no-filenames \
    no-autoload-config no-cms no-ct no-ts no-cmp no-rfc3779 no-srtp no-nextprotoneg \
    no-aria no-bf no-blake2 no-camellia no-cast no-des no-idea no-md4 no-mdc2 no-rc2 no-rc4 \
    no-rc5 no-rmd160 no-scrypt no-seed no-siphash no-siv no-sm2 no-sm3 no-sm4 no-whirlpool \
    no-ec2m no-gost no-dsa no-ocb no-multiblock $p256 -DOPENSSL_TLS_SECURITY_LEVEL=2 $deps_cflags
  make -j"$jobs" build_generated
  make -j"$jobs" libcrypto.a libssl.a
  cp libcrypto.a libssl.a "$prefix/lib/"
  cp -r include/openssl "$prefix/include/"
  find "$prefix/include/openssl" -name '*.in' -delete
  write_pc libcrypto "$1" -lcrypto
  write_pc libssl "$1" -lssl libcrypto
  write_pc openssl "$1" "" "libssl libcrypto"
}

build_curl() {
  # http and https only. No resolver of its own that threads or asks: probe looks names up itself.
  # Nor does it ask for the addresses of its sockets, which it would print anew for each transfer.
  CFLAGS=-DNGHTTP2_STATICLIB deps_cmake -DHTTP_ONLY=ON -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF -DENABLE_MANUAL=OFF \
    -DCURL_USE_OPENSSL=ON -DOPENSSL_ROOT_DIR="$prefix" -DCURL_ZLIB=OFF -DCURL_BROTLI=OFF \
    -DCURL_ZSTD=OFF -DUSE_NGHTTP2=ON -DUSE_LIBIDN2=OFF -DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF \
    -DENABLE_ARES=OFF -DENABLE_THREADED_RESOLVER=OFF -DENABLE_UNIX_SOCKETS=ON \
    -DCURL_CA_PATH=/etc/ssl/certs -DCURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt \
    -DCURL_DISABLE_ALTSVC=ON -DCURL_DISABLE_HSTS=ON -DCURL_DISABLE_COOKIES=ON -DCURL_DISABLE_DOH=ON \
    -DCURL_DISABLE_NETRC=ON -DCURL_DISABLE_MIME=ON -DCURL_DISABLE_NTLM=ON \
    -DCURL_DISABLE_SOCKETPAIR=ON -DCURL_DISABLE_LIBCURL_OPTION=ON -DCURL_DISABLE_PROGRESS_METER=ON \
    -DCURL_DISABLE_GETOPTIONS=ON -DCURL_DISABLE_HEADERS_API=ON -DCURL_DISABLE_PROXY=ON \
    -DHAVE_GETSOCKNAME=OFF -DHAVE_GETPEERNAME=OFF -DCURL_DISABLE_CRYPTO_AUTH=ON -DCURL_DISABLE_PARSEDATE=ON -DCURL_DISABLE_VERBOSE_STRINGS=ON
  ninja -C b -j"$jobs" libcurl
  cp b/lib/libcurl.a "$prefix/lib/"
  mkdir -p "$prefix/include/curl"
  cp include/curl/*.h "$prefix/include/curl/"
  write_pc libcurl "$1" -lcurl "libnghttp2 libssl libcrypto" -DCURL_STATICLIB
}

build_mongo_c_driver() {
  echo "$1" >VERSION_CURRENT
  deps_cmake -DENABLE_STATIC=ON -DENABLE_SSL=OPENSSL -DOPENSSL_ROOT_DIR="$prefix" -DENABLE_SRV=ON \
    -DENABLE_SASL=OFF -DENABLE_ICU=OFF -DENABLE_SNAPPY=OFF -DENABLE_ZLIB=OFF -DENABLE_ZSTD=OFF \
    -DENABLE_MONGODB_AWS_AUTH=OFF -DENABLE_CLIENT_SIDE_ENCRYPTION=OFF -DENABLE_SHM_COUNTERS=OFF \
    -DENABLE_AUTOMATIC_INIT_AND_CLEANUP=OFF -DENABLE_TESTS=OFF -DENABLE_EXAMPLES=OFF \
    -DENABLE_MAN_PAGES=OFF -DENABLE_HTML_DOCS=OFF -DENABLE_UNINSTALL=OFF -DENABLE_TRACING=OFF \
    -DENABLE_BSON=ON -DENABLE_PIC=OFF
  ninja -C b -j"$jobs" mongoc_static bson_static
  find b -name 'lib*-static-1.0.a' -exec cp {} "$prefix/lib/" \;
  mkdir -p "$prefix/include/mongoc" "$prefix/include/bson"
  cp src/libmongoc/src/mongoc/*.h b/src/libmongoc/src/mongoc/*.h "$prefix/include/mongoc/"
  cp src/libbson/src/bson/*.h b/src/libbson/src/bson/*.h "$prefix/include/bson/"
  write_pc libbson-1.0 "$1" -lbson-static-1.0 "" -DBSON_STATIC
  write_pc libmongoc-1.0 "$1" -lmongoc-static-1.0 "libbson-1.0 libssl libcrypto" -DMONGOC_STATIC
}

build_c_ares() {
  deps_cmake -DCARES_STATIC=ON -DCARES_SHARED=OFF -DCARES_STATIC_PIC=OFF -DCARES_BUILD_TOOLS=OFF \
    -DCARES_BUILD_TESTS=OFF
  ninja -C b -j"$jobs"
  cp b/lib/libcares.a "$prefix/lib/"
  cp include/ares.h include/ares_*.h "$prefix/include/"
  cp -f b/ares_build.h "$prefix/include/"
  write_pc libcares "$1" -lcares "" -DCARES_STATICLIB
}

build_libuv1() {
  deps_cmake -DLIBUV_BUILD_TESTS=OFF -DLIBUV_BUILD_BENCH=OFF -DBUILD_TESTING=OFF
  ninja -C b -j"$jobs" uv_a
  cp b/libuv_a.a "$prefix/lib/libuv.a"
  cp -r include/uv.h include/uv "$prefix/include/"
  write_pc libuv "$1" -luv
}

build_jansson() {
  # A byte at a time, each through four calls: most of what `probe status` does.
  PROBE_STATIC_CFLAGS=${deps_cflags/-Os/-O2} deps_cmake -DJANSSON_BUILD_DOCS=OFF \
    -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF
  ninja -C b -j"$jobs" jansson
  cp b/lib/libjansson.a "$prefix/lib/"
  cp b/include/*.h "$prefix/include/"
  write_pc jansson "$1" -ljansson
}

build_libmicrohttpd() {
  # Without its header of constructors it sets itself up with the first daemon, not in each program.
  CC=musl-cc CFLAGS="$deps_cflags -DAUTOINIT_FUNCS_INCLUDED" LDFLAGS="-static -no-pie" ./configure --prefix="$prefix" \
    --disable-shared --enable-static --disable-https --disable-curl --disable-doc \
    --disable-examples --disable-tools --disable-dauth --disable-bauth --disable-postprocessor \
    --disable-httpupgrade --disable-messages --disable-nls --disable-dependency-tracking --without-pic
  make -j"$jobs" -C src/microhttpd libmicrohttpd.la
  cp src/microhttpd/.libs/libmicrohttpd.a "$prefix/lib/"
  cp src/include/microhttpd.h "$prefix/include/"
  write_pc libmicrohttpd "$1" -lmicrohttpd
}

build_libinih() {
  # As Debian's package is built: every limit at its default.
  musl-cc $deps_cflags -c ini.c -o ini.o
  ar Drcs "$prefix/lib/libinih.a" ini.o
  cp ini.h "$prefix/include/"
  write_pc inih "$1" -linih
}

# Where inih's source cannot be had: Debian's own archive of it calls nothing but libc and links.
build_libinih_from_package() { # DEB
  dpkg-deb -x "$1" "$work/libinih-root"
  find "$work/libinih-root" -name libinih.a -exec cp {} "$prefix/lib/" \;
  cp "$work/libinih-root/usr/include/ini.h" "$prefix/include/"
  write_pc inih "$(upstream_version "$(dpkg-deb -f "$1" Version)")" -linih
}

build_nghttp2() { # by hand: its own build wants a C++ compiler
  local number
  number=$(printf '0x%02x%02x%02x' ${1//./ })
  sed -e "s/@PACKAGE_VERSION@/$1/" -e "s/@PACKAGE_VERSION_NUM@/$number/" \
    lib/includes/nghttp2/nghttp2ver.h.in >lib/includes/nghttp2/nghttp2ver.h
  cd lib
  printf '%s\n' nghttp2_*.c | xargs -P "$jobs" -n 4 musl-cc $deps_cflags -Iincludes -c \
    -DNGHTTP2_STATICLIB -DHAVE_ARPA_INET_H -DHAVE_NETINET_IN_H -DHAVE_TIME_H
  ar Drcs "$prefix/lib/libnghttp2.a" nghttp2_*.o
  mkdir -p "$prefix/include/nghttp2"
  cp includes/nghttp2/*.h "$prefix/include/nghttp2/"
  write_pc libnghttp2 "$1" -lnghttp2 "" -DNGHTTP2_STATICLIB
}
