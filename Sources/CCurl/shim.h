// curl_easy_setopt and curl_easy_getinfo are variadic, which Swift cannot call: one shim per type of argument.
#ifndef CERTCTL_CCURL_H
#define CERTCTL_CCURL_H

#include <curl/curl.h>
#include <fcntl.h>

static inline CURLcode certctl_setopt_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode certctl_setopt_off_t(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode certctl_setopt_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode certctl_setopt_pointer(CURL *easy, CURLoption option, void *value) {
    return curl_easy_setopt(easy, option, value);
}

// By number, as older headers lack the names.
#define CERTCTL_CURLOPT_PROTOCOLS ((CURLoption)(CURLOPTTYPE_LONG + 181))
#define CERTCTL_CURLOPT_PROTOCOLS_STR ((CURLoption)(CURLOPTTYPE_OBJECTPOINT + 318))
#define CERTCTL_CURLOPT_QUICK_EXIT ((CURLoption)(CURLOPTTYPE_LONG + 322))

/// Allows http and https and nothing else. The option that takes names is of libcurl 7.85; one that does not know it is asked by
/// the older option, which takes bits. Where neither is known this fails, and the transfer with it.
static inline CURLcode certctl_setopt_http_only(CURL *easy) {
    CURLcode code = curl_easy_setopt(easy, CERTCTL_CURLOPT_PROTOCOLS_STR, "http,https");
    if (code != CURLE_UNKNOWN_OPTION) return code;
    return curl_easy_setopt(easy, CERTCTL_CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
}

/// Ends a transfer without waiting for a name server's answer, where libcurl can (7.87).
static inline CURLcode certctl_setopt_quick_exit(CURL *easy) {
    CURLcode code = curl_easy_setopt(easy, CERTCTL_CURLOPT_QUICK_EXIT, 1L);
    return code == CURLE_UNKNOWN_OPTION ? CURLE_OK : code;
}

typedef size_t (*certctl_data_callback)(char *data, size_t size, size_t count, void *context);

static inline CURLcode certctl_setopt_callback(CURL *easy, CURLoption option, certctl_data_callback value) {
    return curl_easy_setopt(easy, option, value);
}

static inline int certctl_close_on_exec(void *context, curl_socket_t socket, curlsocktype purpose) {
    (void)context, (void)purpose;
    fcntl(socket, F_SETFD, FD_CLOEXEC);
    return CURL_SOCKOPT_OK;
}

/// Keeps connections from the programs that the process starts (libcurl 7.88 opens its sockets without SOCK_CLOEXEC).
static inline CURLcode certctl_setopt_close_on_exec(CURL *easy) {
    return curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, certctl_close_on_exec);
}

static inline CURLcode certctl_getinfo_long(CURL *easy, CURLINFO info, long *value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLcode certctl_getinfo_pointer(CURL *easy, CURLINFO info, void **value) {
    return curl_easy_getinfo(easy, info, value);
}

static inline CURLMcode certctl_multi_setopt_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

static inline CURL *certctl_message_easy(const CURLMsg *message) { return message->easy_handle; }
static inline CURLMSG certctl_message_kind(const CURLMsg *message) { return message->msg; }
static inline CURLcode certctl_message_result(const CURLMsg *message) { return message->data.result; }

#endif
