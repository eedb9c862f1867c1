/* SPDX-License-Identifier: Apache-2.0 */
/* http_fault.c - how an exchange ended, as a class and as a sentence */

#include "worker/http/http_inner.h"
#include <stdio.h>

enum http_fault http_fault_of (CURLcode code)
{
    switch ((int)code) {
    case CURLE_OK:
        return HTTP_FINE;
    case CURLE_URL_MALFORMAT:
        return HTTP_BAD_URL;
    case CURLE_COULDNT_RESOLVE_HOST:
        return HTTP_NO_HOST;
    case CURLE_COULDNT_CONNECT:
        return HTTP_REFUSED;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY:
        return HTTP_PROXY;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return HTTP_TLS;
    case CURLE_OPERATION_TIMEDOUT: /* no other time-out is left to libcurl */
        return HTTP_TIMEOUT_CONNECT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return HTTP_CLOSED_EARLY;
    case CURLE_FILESIZE_EXCEEDED:
        return HTTP_TOO_BIG;
    case CURLE_UNSUPPORTED_PROTOCOL: /* an answer without status line is taken for HTTP/0.9 */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return HTTP_GARBAGE;
    case CURLE_OUT_OF_MEMORY:
        return HTTP_NO_MEMORY;
    default:
        return HTTP_FAILED;
    }
}

static esp_err code_of (enum http_fault fault)
{
    static const esp_err codes[HTTP_FAULTS] = {
        [HTTP_FINE] = ESP_OK,
        [HTTP_BAD_URL] = ESP_EINVAL,
        [HTTP_NO_HOST] = ESP_EPEER,
        [HTTP_REFUSED] = ESP_EPEER,
        [HTTP_PROXY] = ESP_EPEER,
        [HTTP_TLS] = ESP_EPERMISSION,
        [HTTP_TIMEOUT_CONNECT] = ESP_ETIMEOUT,
        [HTTP_TIMEOUT_FIRST_BYTE] = ESP_ETIMEOUT,
        [HTTP_TIMEOUT_IDLE] = ESP_ETIMEOUT,
        [HTTP_TIMEOUT_TOTAL] = ESP_ETIMEOUT,
        [HTTP_CLOSED_EARLY] = ESP_EPEER,
        [HTTP_TOO_BIG] = ESP_ETOOBIG,
        [HTTP_GARBAGE] = ESP_EFORMAT,
        [HTTP_REDIRECT] = ESP_EUNSUPPORTED,
        [HTTP_NO_MEMORY] = ESP_ENOMEM,
        [HTTP_FAILED] = ESP_EIO,
    };
    return codes[fault];
}

/* What happened; the part behind the URL. */
static int tell_time (enum http_fault fault, const http_facts *f, char *out, size_t size)
{
    const http_limits *l = f->limits;
    switch ((int)fault) {
    case HTTP_TIMEOUT_CONNECT:
        return snprintf (out, size,
                         "no connection within %u ms; is the host up, and the port open?",
                         l->connect_ms);
    case HTTP_TIMEOUT_FIRST_BYTE:
        return snprintf (
            out, size,
            "connected, but no answer within %u ms; the server hangs or has too much to do",
            l->first_byte_ms);
    case HTTP_TIMEOUT_IDLE:
        return snprintf (
            out, size,
            "its answer stopped after %zu bytes, silent for %u ms; look at the server's log",
            f->got_bytes, l->idle_ms);
    default:
        return snprintf (
            out, size,
            "its answer was not whole after %u ms (%zu bytes); allow more time or ask for less",
            l->total_ms, f->got_bytes);
    }
}

static int tell_answer (enum http_fault fault, const http_facts *f, char *out, size_t size)
{
    switch ((int)fault) {
    case HTTP_CLOSED_EARLY:
        return snprintf (out, size,
                         "its answer broke off after %zu bytes (%s); look at the server's log",
                         f->got_bytes, f->detail);
    case HTTP_TOO_BIG:
        return snprintf (out, size,
                         "its answer is larger than %zu bytes of body or %zu of headers; is it the "
                         "right server?",
                         f->limits->answer_bytes, f->limits->header_bytes);
    case HTTP_GARBAGE:
        return snprintf (
            out, size,
            "its answer is not valid HTTP (%s); another service's port, or https:// needed?",
            f->detail);
    case HTTP_REDIRECT:
        return snprintf (
            out, size, "answers %d and points to %s; if you trust that, write it into the run file",
            f->status, f->target);
    default: /* HTTP_FINE */
        return f->status < 400 ? 0 : snprintf (out, size, "answers with status %d", f->status);
    }
}

static int tell_way (enum http_fault fault, const http_facts *f, char *out, size_t size)
{
    switch ((int)fault) {
    case HTTP_BAD_URL:
        return snprintf (out, size, "cannot be asked (%s)", f->detail);
    case HTTP_NO_HOST:
        return snprintf (out, size, "its host is not known (%s); correct the URL", f->detail);
    case HTTP_REFUSED:
        return snprintf (out, size, "cannot be reached (%s); start the server, or correct the URL",
                         f->detail);
    case HTTP_PROXY:
        return snprintf (
            out, size,
            "the proxy on the way to it fails (%s); see http_proxy, https_proxy, no_proxy",
            f->detail);
    case HTTP_TLS:
        return snprintf (
            out, size,
            "no secure connection (%s); name the right CA file, or write http:// if it has no TLS",
            f->detail);
    case HTTP_NO_MEMORY:
        return snprintf (out, size, "out of memory while it was asked");
    default:
        return snprintf (out, size, "cannot be asked (%s)", f->detail);
    }
}

void http_fault_tell (enum http_fault fault, const http_facts *facts, esp_error *error)
{
    char what[300] = "";
    int len;
    if (fault >= HTTP_TIMEOUT_CONNECT && fault <= HTTP_TIMEOUT_TOTAL)
        len = tell_time (fault, facts, what, sizeof (what));
    else if (fault == HTTP_FINE || (fault >= HTTP_CLOSED_EARLY && fault <= HTTP_REDIRECT))
        len = tell_answer (fault, facts, what, sizeof (what));
    else
        len = tell_way (fault, facts, what, sizeof (what));
    error->text[0] = 0;
    if (!facts->url)
        esp_error_set (error, code_of (fault), "%s", facts->detail);
    else if (len > 0)
        esp_error_set (error, code_of (fault), "%s: %s", facts->url, what);
    error->code = code_of (fault);
}
