/* version: the program's and every linked library's, as the libraries themselves tell it. The only
 * file that includes all of their headers, and for nothing else. */
#include <ares.h>
#include <bson/bson.h>
#include <curl/curl.h>
#include <jansson.h>
#include <microhttpd.h>
#include <mongoc/mongoc.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <utf8proc.h>
#include <uv.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/jsonw.h"
#include "cli/cli.h"

#define MAX_OUTPUT 65536

/* As the images and downloads are named. */
#if defined(__x86_64__)
#define ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define ARCHITECTURE "arm64"
#elif defined(__arm__)
#define ARCHITECTURE "armv7"
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE "riscv64"
#elif defined(__s390x__)
#define ARCHITECTURE "s390x"
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE "ppc64le"
#else
#define ARCHITECTURE "other"
#endif

struct library {
    const char *name, *version;
};

static int print_json(const struct library *l)
{
    struct buf out;
    buf_init(&out, MAX_OUTPUT);
    struct jsonw j;
    jsonw_init(&j, &out);
    jsonw_object(&j, NULL);
    jsonw_string(&j, "version", PROBE_VERSION);
    if (*PROBE_COMMIT)
        jsonw_string(&j, "commit", PROBE_COMMIT);
    else
        jsonw_null(&j, "commit");
    jsonw_string(&j, "architecture", ARCHITECTURE);
    jsonw_object(&j, "libraries");
    for (; l->name; l++)
        jsonw_string(&j, l->name, l->version);
    jsonw_end(&j);
    jsonw_end(&j);
    return cli_print(&out);
}

int cmd_version(const struct cli *cli)
{
    const struct library libraries[] = {
        {"libuv", uv_version_string()},
        {"libcurl", curl_version_info(CURLVERSION_NOW)->version},
        {"mongo-c-driver", mongoc_get_version()},
        {"libbson", bson_get_version()},
        {"inih", INIH_VERSION},
        {"c-ares", ares_version(NULL)},
        {"libmicrohttpd", MHD_get_version()},
        {"jansson", JANSSON_VERSION},
        {"openssl", OpenSSL_version(OPENSSL_VERSION)},
        {"zlib", zlibVersion()},
        {"utf8proc", utf8proc_version()},
        {NULL, NULL},
    };
    if (cli->json)
        return print_json(libraries);
    printf("probe %s\n", PROBE_VERSION);
    for (const struct library *l = libraries; l->name; l++)
        printf("  %-16s %s\n", l->name, l->version);
    return EXIT_HEALTHY;
}
