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
