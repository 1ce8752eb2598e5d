# shellcheck shell=bash disable=SC2086,SC2116,SC2154,SC2164
# deps.sh: how each dependency is built: small, static, without what probe never uses. Each
# recipe runs in the unpacked source, installs into $prefix and writes its own .pc file, so that
# the order of the libraries at the link is ours. The hash of this file is part of the cache's key.

# No unwind tables and one section a function: the linker drops what nothing calls. The stack
# protector stays: these libraries read what strangers send.
deps_cflags="-Os -g0 -fPIE -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
  -fno-unwind-tables -fstack-protector-strong"
deps_cflags=$(echo $deps_cflags)

# What an architecture's musl wants of the compiler, and which processors the program runs on.
case ${arch:-} in
  armv7) arch_flags="-march=armv7-a+fp -mthumb" ;;
  ppc64le) arch_flags="-mlong-double-64 -mcpu=power8" ;;
  *) arch_flags="" ;;
esac

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

build_musl() {
  CC="$triple-gcc $arch_flags" CROSS_COMPILE=$triple- \
    CFLAGS="-Os -fPIE -fstack-protector-strong -ffile-prefix-map=$PWD=." \
    ./configure --target="$processor" --prefix=/ --syslibdir=/lib --disable-shared
  make -j"$jobs"
  make DESTDIR="$prefix" install-libs install-headers
}

build_openssl() {
  # TLS 1.2 and 1.3 with the ciphers in use; security level 2 as in Debian's own build. The
  # configuration file is not read: an image's openssl.cnf names modules that are not here.
  # `no-pic` leaves the code as -fPIE makes it.
  CC=musl-cc AR="$triple-ar" RANLIB="$triple-ranlib" ./Configure "$openssl_target" --prefix=/usr \
    --openssldir=/etc/ssl --libdir=lib -DOPENSSL_PIC -DOPENSSL_TLS_SECURITY_LEVEL=2 $deps_cflags \
    no-shared no-pic no-engine no-dso no-module no-legacy no-async no-comp no-ktls no-dtls no-srp \
    no-psk no-ssl3 no-tls1 no-tls1_1 no-afalgeng no-tests no-ui-console no-filenames \
    no-autoload-config no-cms no-ct no-ts no-cmp no-rfc3779 no-srtp no-nextprotoneg \
    no-aria no-bf no-blake2 no-camellia no-cast no-des no-idea no-md4 no-mdc2 no-rc2 no-rc4 \
    no-rc5 no-rmd160 no-scrypt no-seed no-siphash no-siv no-sm2 no-sm3 no-sm4 no-whirlpool \
    no-ec2m no-gost no-dsa no-ocb no-multiblock no-quic no-ml-kem no-ml-dsa no-slh-dsa no-argon2 \
    no-thread-pool no-apps no-docs
  make -j"$jobs" build_generated
  # AVX-512 is 0.7 MB of code for gigabytes a second. The generators ask the assembler for its
  # version, and leave out what an old one does not know.
  [ "$arch" != amd64 ] || make CC='echo GNU assembler version 2.20' \
    crypto/modes/aes-gcm-avx512.s crypto/aes/aesni-xts-avx512.s
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
  CFLAGS=-DNGHTTP2_STATICLIB deps_cmake -DHTTP_ONLY=ON -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF \
    -DBUILD_LIBCURL_DOCS=OFF -DBUILD_MISC_DOCS=OFF -DENABLE_CURL_MANUAL=OFF -DBUILD_STATIC_LIBS=ON \
    -DCURL_USE_OPENSSL=ON -DOPENSSL_ROOT_DIR="$prefix" -DCURL_ZLIB=OFF -DCURL_BROTLI=OFF \
    -DCURL_ZSTD=OFF -DUSE_NGHTTP2=ON -DUSE_LIBIDN2=OFF -DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF \
    -DENABLE_ARES=OFF -DENABLE_THREADED_RESOLVER=OFF -DENABLE_UNIX_SOCKETS=ON \
    -DCURL_CA_PATH=/etc/ssl/certs -DCURL_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt \
    -DCURL_DISABLE_ALTSVC=ON -DCURL_DISABLE_HSTS=ON -DCURL_DISABLE_COOKIES=ON -DCURL_DISABLE_DOH=ON \
    -DCURL_DISABLE_NETRC=ON -DCURL_DISABLE_MIME=ON -DCURL_DISABLE_FORM_API=ON -DCURL_DISABLE_NTLM=ON \
    -DCURL_DISABLE_DIGEST_AUTH=ON -DCURL_DISABLE_KERBEROS_AUTH=ON -DCURL_DISABLE_NEGOTIATE_AUTH=ON \
    -DCURL_DISABLE_AWS=ON -DCURL_DISABLE_WEBSOCKETS=ON -DCURL_DISABLE_SOCKETPAIR=ON \
    -DCURL_DISABLE_LIBCURL_OPTION=ON -DCURL_DISABLE_PROGRESS_METER=ON -DCURL_DISABLE_GETOPTIONS=ON \
    -DCURL_DISABLE_HEADERS_API=ON -DCURL_DISABLE_PROXY=ON -DCURL_DISABLE_PARSEDATE=ON \
    -DCURL_DISABLE_VERBOSE_STRINGS=ON
  ninja -C b -j"$jobs" libcurl_static
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
    -DCARES_BUILD_TESTS=OFF -DCARES_THREADS=OFF
  ninja -C b -j"$jobs"
  cp b/lib/libcares.a "$prefix/lib/"
  cp include/ares.h include/ares_*.h "$prefix/include/"
  cp -f b/ares_build.h "$prefix/include/"
  write_pc libcares "$1" -lcares "" -DCARES_STATICLIB
}

build_libuv1() {
  deps_cmake -DLIBUV_BUILD_TESTS=OFF -DLIBUV_BUILD_BENCH=OFF -DBUILD_TESTING=OFF
  ninja -C b -j"$jobs" uv_a
  cp b/libuv.a "$prefix/lib/"
  cp -r include/uv.h include/uv "$prefix/include/"
  write_pc libuv "$1" -luv
}

build_jansson() {
  deps_cmake -DJANSSON_BUILD_DOCS=OFF \
    -DJANSSON_WITHOUT_TESTS=ON -DJANSSON_EXAMPLES=OFF
  ninja -C b -j"$jobs" jansson
  cp b/lib/libjansson.a "$prefix/lib/"
  cp b/include/*.h "$prefix/include/"
  write_pc jansson "$1" -ljansson
}

build_libmicrohttpd() {
  CC=musl-cc AR="$triple-ar" RANLIB="$triple-ranlib" CFLAGS="$deps_cflags" LDFLAGS=-static-pie \
    ./configure --host="$triple" --prefix="$prefix" --disable-shared --enable-static --disable-https --disable-curl --disable-doc \
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
  "$triple-ar" Drcs "$prefix/lib/libinih.a" ini.o
  cp ini.h "$prefix/include/"
  write_pc inih "$1" -linih
}

build_nghttp2() { # by hand: its own build wants a C++ compiler
  local number
  number=$(printf '0x%02x%02x%02x' ${1//./ })
  sed -e "s/@PACKAGE_VERSION@/$1/" -e "s/@PACKAGE_VERSION_NUM@/$number/" \
    lib/includes/nghttp2/nghttp2ver.h.in >lib/includes/nghttp2/nghttp2ver.h
  cd lib
  printf '%s\n' nghttp2_*.c sfparse.c | xargs -P "$jobs" -n 4 musl-cc $deps_cflags -Iincludes -c \
    -DNGHTTP2_STATICLIB -DHAVE_ARPA_INET_H -DHAVE_NETINET_IN_H -DHAVE_TIME_H
  "$triple-ar" Drcs "$prefix/lib/libnghttp2.a" nghttp2_*.o sfparse.o
  mkdir -p "$prefix/include/nghttp2"
  cp includes/nghttp2/*.h "$prefix/include/nghttp2/"
  write_pc libnghttp2 "$1" -lnghttp2 "" -DNGHTTP2_STATICLIB
}

build_zlib() { # by hand: what reads, of what its own build makes
  printf '%s\n' adler32 crc32 inffast inflate inftrees zutil |
    xargs -P "$jobs" -I{} musl-cc $deps_cflags -DHAVE_UNISTD_H -D_LARGEFILE64_SOURCE -c {}.c
  "$triple-ar" Drcs "$prefix/lib/libz.a" adler32.o crc32.o inffast.o inflate.o inftrees.o zutil.o
  cp zlib.h zconf.h "$prefix/include/"
  write_pc zlib "$1" -lz
}

build_utf8proc() {
  musl-cc $deps_cflags -DUTF8PROC_STATIC -c utf8proc.c -o utf8proc.o
  "$triple-ar" Drcs "$prefix/lib/libutf8proc.a" utf8proc.o
  cp utf8proc.h "$prefix/include/"
  write_pc libutf8proc "$1" -lutf8proc "" -DUTF8PROC_STATIC
}

build_cmocka() { # for the unit tests
  musl-cc $deps_cflags -Iinclude -DHAVE_INTTYPES_H -DHAVE_SIGNAL_H -DHAVE_STRINGS_H -DHAVE_UNISTD_H \
    -DHAVE_STRSIGNAL -DHAVE_CLOCK_GETTIME -DHAVE_STRUCT_TIMESPEC -DHAVE_GCC_THREAD_LOCAL_STORAGE \
    -c src/cmocka.c -o cmocka.o
  "$triple-ar" Drcs "$prefix/lib/libcmocka.a" cmocka.o
  cp include/*.h "$prefix/include/"
  write_pc cmocka "$1" -lcmocka
}
