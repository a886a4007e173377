// OpenSSL's macros and variadic functions, as functions that Swift can call; nothing more.
#ifndef CERTCTL_COPENSSL_H
#define CERTCTL_COPENSSL_H

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static inline long certctl_bio_contents(BIO *bio, const char **data) {
    return BIO_get_mem_data(bio, data);
}

static inline EVP_PKEY *certctl_generate_rsa(size_t bits) {
    return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", bits);
}

static inline EVP_PKEY *certctl_generate_ec(const char *curve) {
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
}

static inline int certctl_general_names_push(GENERAL_NAMES *names, GENERAL_NAME *name) {
    return sk_GENERAL_NAME_push(names, name);
}

static inline int certctl_extensions_push(STACK_OF(X509_EXTENSION) * *extensions, X509_EXTENSION *extension) {
    if (*extensions == NULL) *extensions = sk_X509_EXTENSION_new_null();
    return *extensions == NULL ? 0 : sk_X509_EXTENSION_push(*extensions, extension);
}

static inline void certctl_extensions_free(STACK_OF(X509_EXTENSION) * extensions) {
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

static inline STACK_OF(X509) *certctl_certificates_new(void) { return sk_X509_new_null(); }

/// Takes the certificate over where it succeeds.
static inline int certctl_certificates_push(STACK_OF(X509) *certificates, X509 *certificate) {
    return sk_X509_push(certificates, certificate);
}

static inline void certctl_certificates_free(STACK_OF(X509) *certificates) { sk_X509_pop_free(certificates, X509_free); }

static inline int certctl_tls_set_version_range(SSL_CTX *context, int lowest, int highest) {
    return SSL_CTX_set_min_proto_version(context, lowest) && SSL_CTX_set_max_proto_version(context, highest);
}

static inline int certctl_tls_set_groups(SSL_CTX *context, const char *groups) {
    return (int)SSL_CTX_set1_groups_list(context, groups);
}

static inline int certctl_tls_set_signature_algorithms(SSL_CTX *context, const char *algorithms) {
    return (int)SSL_CTX_set1_sigalgs_list(context, algorithms);
}

static inline int certctl_tls_set_server_name(SSL *connection, const char *name) {
    return (int)SSL_set_tlsext_host_name(connection, name);
}

static inline void certctl_tls_allow_legacy_servers(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
}

// Constants that are spelled as expressions.
static inline unsigned long certctl_name_on_one_line(void) { return XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB; }
static inline int certctl_key_pair_selection(void) { return EVP_PKEY_KEYPAIR; }

#endif
