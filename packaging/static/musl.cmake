# The tool chain of the static build: gcc against musl, and of libraries only those that
# packaging/static/build made. PROBE_STATIC_PREFIX (environment) is their folder.
set(prefix $ENV{PROBE_STATIC_PREFIX})
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR $ENV{PROBE_STATIC_PROCESSOR})
set(CMAKE_C_COMPILER ${prefix}/bin/musl-cc)
set(CMAKE_AR $ENV{PROBE_STATIC_TRIPLE}-ar CACHE STRING "")
set(CMAKE_RANLIB $ENV{PROBE_STATIC_TRIPLE}-ranlib CACHE STRING "")
set(CMAKE_C_FLAGS_INIT "$ENV{PROBE_STATIC_CFLAGS}")
set(CMAKE_EXE_LINKER_FLAGS_INIT
    "-static-pie -Wl,--gc-sections -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,pack-relative-relocs -Wl,--build-id=none")
set(CMAKE_FIND_ROOT_PATH ${prefix})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
set(ENV{PKG_CONFIG_LIBDIR} ${prefix}/lib/pkgconfig)
set(ENV{PKG_CONFIG_PATH} "")
