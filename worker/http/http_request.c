/* SPDX-License-Identifier: Apache-2.0 */
/* http_request.c - one request: a call into an easy handle of libcurl, an answer out of it
 *
 * The on_* functions run inside libcurl, where it must not be called: they only note what came.
 */

#include "worker/http/http_inner.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include "proto/base/alloc.h"

enum {
    MAX_AGE_S = 4,          /* of an idle connection: uvicorn and llama.cpp close at 5 s */
    BUFFER_BYTES = 16384,   /* libcurl's, in and out; its defaults are 16 and 64 KiB */
    KEPT_BODY_BYTES = 65536 /* an idle request keeps its own buffer up to this size */
};

static size_t refuse (http_request *r, enum http_fault fault)
{
    r->fault = fault;
    return CURL_WRITEFUNC_ERROR;
}

static size_t on_header (char *bytes, size_t size, size_t count, void *ctx)
{
    http_request *r = ctx;
    size_t n = size * count;
    if (n > r->call.limits.header_bytes - r->header_bytes)
        return refuse (r, HTTP_TOO_BIG);
    if (span_starts (span_make (bytes, n), "HTTP/"))
        r->head_whole = false; /* once more after "100 Continue" */
    else if (n <= 2)
        r->head_whole = true;
    r->header_bytes += n;
    http_enter_phase (r, PHASE_BODY);
    return n;
}

/* "Failed to connect to H port N after 3 ms: ...": the time differs each try, and a sentence that differs is news. */
static void drop_time (char *detail)
{
    char *from = strstr (detail, " after "), *to = from ? strstr (from, " ms: ") : NULL;
    if (to && strspn (from + 7, "0123456789") == (size_t)(to - from - 7))
        memmove (from, to + 3, strlen (to + 3) + 1);
}

void http_request_end (http_request *r, CURLcode code)
{
    if (code == CURLE_OK && !r->head_whole)
        code =
            CURLE_GOT_NOTHING; /* libcurl takes a connection that ends inside the headers for an empty answer */
    if (r->fault == HTTP_FAILED)
        snprintf (r->detail, sizeof (r->detail), "no file descriptor left; raise ulimit -n");
    else if (code == CURLE_COULDNT_CONNECT && r->url.socket[0])
        snprintf (r->detail, sizeof (r->detail), "nobody listens on this socket");
    else if (!r->detail[0])
        snprintf (r->detail, sizeof (r->detail), "%s", curl_easy_strerror (code));
    drop_time (r->detail);
    if (r->fault == HTTP_FINE)
        r->fault = http_fault_of (code);
    if (r->by_proxy && (r->fault == HTTP_REFUSED || r->fault == HTTP_TIMEOUT_CONNECT))
        r->fault = HTTP_PROXY;
}

static bool streams (http_request *r)
{
    long status = 0;
    return r->call.chunk &&
           curl_easy_getinfo (r->easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
           status / 100 == 2;
}

static size_t on_body (char *bytes, size_t size, size_t count, void *ctx)
{
    http_request *r = ctx;
    size_t n = size * count;
    if (n > r->call.limits.answer_bytes - r->body_bytes)
        return refuse (r, HTTP_TOO_BIG);
    if (esp_buf_append (&r->body, bytes, n) != ESP_OK)
        return refuse (r, HTTP_NO_MEMORY);
    r->body_bytes += n;
    http_sign_of_life (r, n > 0 && streams (r));
    return n;
}

/* A proxy of the environment is easily forgotten, and what it answers is not what the server would: it is seen by its port. */
static void note_port (http_request *r, int port)
{
    r->by_proxy = port > 0 && !r->url.socket[0] && port != r->url.port;
}

static int port_of (const struct curl_sockaddr *address)
{
    const void *at = &address->addr;
    if (address->family == AF_INET)
        return ntohs (((const struct sockaddr_in *)at)->sin_port);
    return address->family == AF_INET6 ? ntohs (((const struct sockaddr_in6 *)at)->sin6_port) : 0;
}

/* Connected, or an old connection found: the request goes out now. */
static int on_connected (void *ctx, char *ip, char *own_ip, int port, int own_port)
{
    http_request *r = ctx;
    (void)ip, (void)own_ip, (void)own_port;
    note_port (r, port);
    r->fault = HTTP_FINE; /* on_open had a descriptor after all */
    http_enter_phase (r, PHASE_FIRST_BYTE);
    return CURL_PREREQFUNC_OK;
}

/* Closed in programs that we start: a copy left open there would keep a cancelled request alive at the server. */
static curl_socket_t on_open (void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    http_request *r = ctx;
    int fd = socket (address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    (void)purpose;
    note_port (r, port_of (address));
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        r->fault = HTTP_FAILED; /* libcurl would say that the server cannot be reached */
    return fd;
}

/* What stays the same in every use of the handle.  false: out of memory. */
static bool set_for_good (http_request *r, const http_setup *setup)
{
    CURL *e = r->easy;
    bool bad = false;
    bad |= curl_easy_setopt (e, CURLOPT_PRIVATE, r) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_ERRORBUFFER, r->detail) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_HEADERFUNCTION, on_header) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_HEADERDATA, r) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_WRITEDATA, r) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_PREREQFUNCTION, on_connected) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_PREREQDATA, r) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_OPENSOCKETFUNCTION, on_open) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_OPENSOCKETDATA, r) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_NOSIGNAL, 1L) != CURLE_OK;
    /* Giving up does not wait for a name server: the resolver's thread ends by itself. */
    bad |= curl_easy_setopt (e, CURLOPT_QUICK_EXIT, 1L) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_TCP_NODELAY, 1L) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_TCP_KEEPALIVE, 1L) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_MAXAGE_CONN, (long)MAX_AGE_S) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_BYTES) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_PROTOCOLS_STR, "http,https") != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_ACCEPT_ENCODING, "gzip") != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_USERAGENT, "espalier/" ESP_VERSION) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) != CURLE_OK;
    if (setup->proxy)
        bad |= curl_easy_setopt (e, CURLOPT_PROXY, setup->proxy) != CURLE_OK;
    if (setup->ca_file)
        bad |= curl_easy_setopt (e, CURLOPT_CAINFO, setup->ca_file) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_SSL_VERIFYPEER, setup->no_verify ? 0L : 1L) != CURLE_OK;
    bad |= curl_easy_setopt (e, CURLOPT_SSL_VERIFYHOST, setup->no_verify ? 0L : 2L) != CURLE_OK;
    return !bad;
}

void http_request_destroy (http_request *r)
{
    if (!r)
        return;
    curl_easy_cleanup (r->easy);
    curl_slist_free_all (r->headers);
    http_url_free (&r->url);
    esp_free (r->copy);
    esp_buf_free (&r->body);
    esp_free (r);
}

http_request *http_request_create (http *pool, const http_setup *setup)
{
    http_request *r = esp_calloc (1, sizeof (*r));
    if (!r)
        return NULL;
    r->pool = pool;
    if (!(r->easy = curl_easy_init ()) || !set_for_good (r, setup)) {
        http_request_destroy (r);
        return NULL;
    }
    return r;
}

void http_request_clear (http_request *r)
{
    (void)curl_easy_setopt (r->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all (r->headers);
    r->headers = NULL;
    http_url_free (&r->url);
    esp_free (r->copy);
    r->copy = NULL;
    esp_buf_clear (&r->body);
    if (r->body.cap > KEPT_BODY_BYTES)
        esp_buf_free (&r->body);
    r->body_bytes = r->header_bytes = 0;
    r->head_whole = r->by_proxy = false;
    r->fault = HTTP_FINE;
    r->detail[0] = 0;
}

static bool add_header (http_request *r, const char *line)
{
    struct curl_slist *longer = curl_slist_append (r->headers, line);
    if (longer)
        r->headers = longer;
    return longer != NULL;
}

static bool printable (const char *text)
{
    while ((unsigned char)*text >= ' ' && *text != 0x7f)
        text++;
    return *text == 0;
}

static esp_err add_headers (http_request *r, const http_call *call)
{
    esp_buf line = {0};
    bool good = add_header (r, "Expect:"); /* no waiting for "100 Continue" */
    if (good && call->body.ptr)
        good = add_header (r, "Content-Type: application/json");
    for (const char *const *h = call->headers; good && h && *h; h++) {
        if (!printable (*h))
            return ESP_EINVAL;
        good = add_header (r, *h);
    }
    if (good && call->secret) {
        if (!printable (call->secret))
            return ESP_EINVAL;
        good = esp_buf_printf (&line, "Authorization: Bearer %s", call->secret) == ESP_OK &&
               add_header (r, line.data);
        esp_buf_free (&line);
    }
    return good ? ESP_OK : ESP_ENOMEM;
}

static void set_limits (http_limits *l)
{
    static const http_limits usual = {10000, 600000, 60000, 1800000, 64u << 20, 64u << 10};
    l->connect_ms = l->connect_ms ? l->connect_ms : usual.connect_ms;
    l->first_byte_ms = l->first_byte_ms ? l->first_byte_ms : usual.first_byte_ms;
    l->idle_ms = l->idle_ms ? l->idle_ms : usual.idle_ms;
    l->total_ms = l->total_ms ? l->total_ms : usual.total_ms;
    l->answer_bytes = l->answer_bytes ? l->answer_bytes : usual.answer_bytes;
    l->header_bytes = l->header_bytes ? l->header_bytes : usual.header_bytes;
}

static esp_err set_body (http_request *r, const http_call *call)
{
    const char *bytes = call->body.ptr;
    bool bad = false;
    if (!bytes)
        return curl_easy_setopt (r->easy, CURLOPT_HTTPGET, 1L) == CURLE_OK ? ESP_OK : ESP_ENOMEM;
    if (call->copy_body) {
        if (!(r->copy = esp_malloc (call->body.len)))
            return ESP_ENOMEM;
        memcpy (r->copy, bytes, call->body.len);
        bytes = r->copy;
    }
    bad |= curl_easy_setopt (r->easy, CURLOPT_POST, 1L) != CURLE_OK;
    bad |= curl_easy_setopt (r->easy, CURLOPT_POSTFIELDS, bytes) != CURLE_OK;
    bad |= curl_easy_setopt (r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len) !=
           CURLE_OK;
    return bad ? ESP_ENOMEM : ESP_OK;
}

/* Where to, and how long. */
static esp_err set_way (http_request *r)
{
    const http_limits *l = &r->call.limits;
    const char *path = r->url.socket[0] ? r->url.socket : NULL;
    long connect_ms = l->connect_ms > INT32_MAX ? INT32_MAX : (long)l->connect_ms;
    curl_off_t most = l->answer_bytes > INT64_MAX ? INT64_MAX : (curl_off_t)l->answer_bytes;
    bool bad = false;
    bad |= curl_easy_setopt (r->easy, CURLOPT_URL, r->url.text) != CURLE_OK;
    bad |= curl_easy_setopt (r->easy, CURLOPT_UNIX_SOCKET_PATH, path) != CURLE_OK;
    bad |= curl_easy_setopt (r->easy, CURLOPT_HTTPHEADER, r->headers) != CURLE_OK;
    bad |= curl_easy_setopt (r->easy, CURLOPT_MAXFILESIZE_LARGE, most) != CURLE_OK;
    bad |= curl_easy_setopt (r->easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms) != CURLE_OK;
    return bad ? ESP_ENOMEM : ESP_OK;
}

esp_err http_request_set (http_request *r, const http_call *call)
{
    esp_error error = {0};
    esp_err err;
    r->call = *call;
    set_limits (&r->call.limits);
    if ((err = http_url_make (call->server, call->path, &r->url, &error)) == ESP_OK &&
        (err = add_headers (r, call)) == ESP_EINVAL)
        esp_error_set (&error, err,
                       "a header or the API key holds a line break or another control byte");
    if (err == ESP_OK && (err = set_body (r, call)) == ESP_OK)
        err = set_way (r);
    snprintf (r->detail, sizeof (r->detail), "%.*s", (int)sizeof (r->detail) - 1, error.text);
    return err;
}

http_answer http_request_answer (http_request *r, esp_error *error)
{
    char url[HTTP_SHOWN_BYTES], target[HTTP_SHOWN_BYTES] = "";
    const char *type = NULL, *redirect = NULL;
    curl_off_t retry_after_s = 0;
    long status = 0;
    if (r->fault != HTTP_BAD_URL) { /* else the handle still holds what the call before had */
        (void)curl_easy_getinfo (r->easy, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_easy_getinfo (r->easy, CURLINFO_CONTENT_TYPE, &type);
        (void)curl_easy_getinfo (r->easy, CURLINFO_REDIRECT_URL, &redirect);
        (void)curl_easy_getinfo (r->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    }
    if (r->fault == HTTP_FINE && status / 100 == 3 && redirect)
        r->fault = HTTP_REDIRECT;
    if (r->fault == HTTP_FINE && status < 400) {
        error->code = ESP_OK;
        error->text[0] = 0;
    } else {
        http_fault_tell (
            r->fault,
            &(http_facts){.url =
                              r->url.text ? http_url_show (r->url.text, r->url.socket, url) : NULL,
                          .detail = r->detail,
                          .target = redirect ? http_url_show (redirect, "", target) : "",
                          .limits = &r->call.limits,
                          .status = (int)status,
                          .got_bytes = r->body_bytes},
            error);
    }
    return (http_answer){.fault = r->fault,
                         .code = error->code,
                         .text = error->text,
                         .status = (int)status,
                         .body = esp_buf_span (&r->body),
                         .content_type = type ? type : "",
                         .by_proxy = r->by_proxy,
                         .retry_after_s =
                             retry_after_s > INT32_MAX ? INT32_MAX : (uint32_t)retry_after_s};
}
