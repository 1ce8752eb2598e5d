/* tls_words: what OpenSSL says, for a person. Names of a certificate are a server's bytes: they are
 * cut and made printable here. */
#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "tls/tls_internal.h"

#define NAME_SIZE  80
#define NAMES_SIZE 200

int64_t tls_time(const ASN1_TIME *time)
{
    struct tm tm;
    return time && ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

char *tls_day(int64_t seconds, char out[TLS_DAY_SIZE])
{
    char full[CLOCK_RFC3339_SIZE];
    /* Certificates may end in the year 9999; nanoseconds do not reach that far. */
    int64_t last = INT64_MAX / NS_PER_S;
    clock_rfc3339((seconds < last ? seconds : last) * NS_PER_S, full);
    snprintf(out, TLS_DAY_SIZE, "%.10s", full);
    return out;
}

/* The common name, else the organisation. */
static char *short_name(const X509_NAME *name, char out[NAME_SIZE])
{
    static const int nids[] = {NID_commonName, NID_organizationName, NID_organizationalUnitName};
    char raw[NAME_SIZE];
    for (size_t i = 0; name && i < ARRAY_LEN(nids); i++) {
        int n = X509_NAME_get_text_by_NID((X509_NAME *)(uintptr_t)name, nids[i], raw, sizeof raw);
        if (n > 0)
            return str_excerpt(raw, strlen(raw), out, NAME_SIZE);
    }
    snprintf(out, NAME_SIZE, "(no name)");
    return out;
}

static void add_name(char *out, size_t size, const char *data, size_t len)
{
    size_t used = strlen(out);
    if (used + len + 8 > size) {
        if (used < 3 || strcmp(out + used - 3, "...") != 0)
            snprintf(out + used, size - used, "%s...", used ? ", " : "");
        return;
    }
    used += (size_t)snprintf(out + used, size - used, "%s", used ? ", " : "");
    str_excerpt(data, len, out + used, size - used);
}

static void add_ip(char *out, size_t size, const ASN1_OCTET_STRING *ip)
{
    char text[INET6_ADDRSTRLEN];
    int len = ASN1_STRING_length(ip);
    const unsigned char *data = ASN1_STRING_get0_data(ip);
    if ((len == 4 && inet_ntop(AF_INET, data, text, sizeof text)) ||
        (len == 16 && inet_ntop(AF_INET6, data, text, sizeof text)))
        add_name(out, size, text, strlen(text));
}

/* What a certificate is for: its subject alternative names, else its common name. */
static void valid_for(X509 *cert, char *out, size_t size)
{
    out[0] = '\0';
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            add_name(out, size, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                     (size_t)ASN1_STRING_length(name->d.dNSName));
        else if (name->type == GEN_IPADD)
            add_ip(out, size, name->d.iPAddress);
    }
    GENERAL_NAMES_free(names);
    if (out[0])
        return;
    char cn[NAME_SIZE];
    snprintf(out, size, "%s", short_name(X509_get_subject_name(cert), cn));
}

static void date_words(X509 *cert, int depth, bool expired, char *out, size_t size)
{
    char name[NAME_SIZE], day[TLS_DAY_SIZE], which[NAME_SIZE + 32] = "the certificate";
    if (depth > 0)
        snprintf(which, sizeof which, "the CA certificate \"%s\"",
                 short_name(X509_get_subject_name(cert), name));
    tls_day(tls_time(expired ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert)), day);
    snprintf(out, size, "%s %s %s", which, expired ? "expired on" : "is not valid before", day);
}

static void trust_words(X509 *cert, int error, const struct tls_conf *c, char *out, size_t size)
{
    char name[NAME_SIZE];
    const char *where = c->ca ? "tls_ca" : "the system's CAs";
    if (error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
        snprintf(out, size, "the certificate is self-signed (\"%s\") and not among %s",
                 short_name(X509_get_subject_name(cert), name), where);
    else if (error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN)
        snprintf(out, size, "the certificate's CA \"%s\" is unknown: not among %s",
                 short_name(X509_get_subject_name(cert), name), where);
    else
        snprintf(out, size,
                 "the certificate's issuer \"%s\" is unknown: not among %s, and not sent along",
                 short_name(X509_get_issuer_name(cert), name), where);
    size_t used = strlen(out);
    if (!c->ca && !tls_system_has_ca())
        snprintf(out + used, size - used,
                 "; this system has no CA certificates at all (install ca-certificates, or set "
                 "tls_ca)");
}

void tls_verify_words(X509_STORE_CTX *store, const struct tls_conf *c, const char *name, char *out,
                      size_t size)
{
    int error = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    char names[NAMES_SIZE];
    if (!cert)
        cert = X509_STORE_CTX_get0_cert(store);
    switch (cert ? error : X509_V_ERR_UNSPECIFIED) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        date_words(cert, depth, error == X509_V_ERR_CERT_HAS_EXPIRED, out, size);
        return;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        trust_words(cert, error, c, out, size);
        return;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        valid_for(cert, names, sizeof names);
        snprintf(out, size, "the certificate is not for %s; it is for %s", name, names);
        return;
    case X509_V_ERR_INVALID_PURPOSE:
        snprintf(out, size, "the certificate is not one for %s",
                 depth > 0 ? "a CA (in the chain)" : "a server");
        return;
    default:
        snprintf(out, size, "the certificate does not verify: %s",
                 X509_verify_cert_error_string(error));
    }
}

/* OpenSSL bounds the exponent for moduli over 3,072 bits only: with one as long as that, a check of
 * a signature takes as long as making one. */
static int exponent_bits(const EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    int kind = EVP_PKEY_get_base_id(key);
    if (kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS)
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e);
    int bits = e ? BN_num_bits(e) : 0;
    BN_free(e);
    return bits;
}

/* Certificates of a public CA are three in a row, with keys of 4,096 bits at most. */
bool tls_chain_words(const STACK_OF(X509) * chain, char *out, size_t size)
{
    enum { CERTS_MAX = 16, RSA_BITS_MAX = 8192, EXPONENT_BITS_MAX = 64, CERT_BYTES_MAX = 32768 };
    if (sk_X509_num(chain) > CERTS_MAX) {
        snprintf(out, size, "the server sent %d certificates; %d are accepted at most",
                 sk_X509_num(chain), CERTS_MAX);
        return true;
    }
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *cert = sk_X509_value(chain, i);
        const EVP_PKEY *key = X509_get0_pubkey(cert);
        int bytes = i2d_X509(cert, NULL);
        if (key && EVP_PKEY_get_base_id(key) != EVP_PKEY_EC &&
            EVP_PKEY_get_bits(key) > RSA_BITS_MAX) {
            snprintf(out, size,
                     "a certificate of the server has a key of %d bits; %d are accepted at most",
                     EVP_PKEY_get_bits(key), RSA_BITS_MAX);
            return true;
        }
        if (key && exponent_bits(key) > EXPONENT_BITS_MAX) {
            snprintf(out, size, "a certificate of the server has an RSA exponent of %d bits",
                     exponent_bits(key));
            return true;
        }
        if (bytes > CERT_BYTES_MAX) {
            snprintf(out, size, "a certificate of the server has %d bytes; %d are accepted at most",
                     bytes, CERT_BYTES_MAX);
            return true;
        }
    }
    return false;
}

/* NULL: OpenSSL's own are as good. */
static const char *words_of(unsigned long code)
{
    switch (ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0) {
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_UNSUPPORTED_PROTOCOL:
        return "no version of TLS in common (we speak 1.2 and 1.3)";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return "the server refused the handshake: no cipher in common, or it wants a client "
               "certificate (tls_cert)";
#ifdef SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return "the server wants a client certificate (tls_cert)";
#endif
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        return "the server does not accept our client certificate";
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        return "our client certificate has expired, says the server";
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
        return "the server's certificates are more than 64 KiB";
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
        return "the server speaks none of the protocols that were offered (ALPN)";
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
        return "the server does not know the name it was asked for (tls_server_name)";
    case SSL_R_TLSV1_ALERT_INTERNAL_ERROR:
        return "the server had an internal error";
    default:
        return NULL;
    }
}

void tls_error_words(const char *what, char *out, size_t size)
{
    unsigned long code = ERR_get_error();
    const char *words = words_of(code);
    ERR_clear_error();
    if (words)
        snprintf(out, size, "%s", words);
    else
        snprintf(out, size, "%s failed: %s", what,
                 code ? ERR_reason_error_string(code) : "no reason given");
}
