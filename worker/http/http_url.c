/* SPDX-License-Identifier: Apache-2.0 */
/* http_url.c - where a request goes: libcurl's URL API, and unix:/path */

#include "worker/http/http_inner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/base/alloc.h"

static const char unix_scheme[] = "unix:";

void http_url_free (http_url *url)
{
    curl_free (url->text);
    url->text = NULL;
}

const char *http_url_show (const char *text, const char *socket, char out[HTTP_SHOWN_BYTES])
{
    static const CURLUPart hidden[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
                                       CURLUPART_QUERY, CURLUPART_FRAGMENT};
    CURLU *u = curl_url ();
    char *whole = NULL, *path = NULL;
    bool good = u && curl_url_set (u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
    for (size_t i = 0; good && i < sizeof (hidden) / sizeof (*hidden); i++)
        good = curl_url_set (u, hidden[i], NULL, 0) == CURLUE_OK;
    snprintf (out, HTTP_SHOWN_BYTES, "%s", "(a URL that cannot be read)");
    if (good && socket && socket[0]) {
        if (curl_url_get (u, CURLUPART_PATH, &path, 0) == CURLUE_OK)
            snprintf (out, HTTP_SHOWN_BYTES, "%s%s:%s", unix_scheme, socket, path);
    } else if (good && curl_url_get (u, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
        snprintf (out, HTTP_SHOWN_BYTES, "%s", whole);
    }
    curl_free (whole);
    curl_free (path);
    curl_url_cleanup (u);
    return out;
}

/* The server's own path, without its last '/', and `path` behind it. */
static CURLUcode append_path (CURLU *u, const char *path, size_t len)
{
    char *own = NULL, *joined;
    CURLUcode code = curl_url_get (u, CURLUPART_PATH, &own, 0);
    size_t own_len;
    if (code != CURLUE_OK)
        return code;
    own_len = strlen (own);
    while (own_len > 0 && own[own_len - 1] == '/')
        own_len--;
    if (!(joined = esp_malloc (own_len + len + 1))) {
        curl_free (own);
        return CURLUE_OUT_OF_MEMORY;
    }
    memcpy (joined, own, own_len);
    memcpy (joined + own_len, path, len);
    joined[own_len + len] = 0;
    code = curl_url_set (u, CURLUPART_PATH, joined, 0);
    esp_free (joined);
    curl_free (own);
    return code;
}

static CURLUcode read_port (CURLU *u, uint16_t *out)
{
    char *text = NULL;
    CURLUcode code = curl_url_get (u, CURLUPART_PORT, &text, CURLU_DEFAULT_PORT);
    if (code == CURLUE_OK)
        *out = (uint16_t)strtoul (text, NULL, 10);
    curl_free (text);
    return code;
}

static CURLUcode build (CURLU *u, const char *base, const char *path, http_url *out)
{
    const char *query = path ? strchr (path, '?') : NULL;
    CURLUcode code = curl_url_set (u, CURLUPART_URL, base, 0);
    if (code == CURLUE_OK && path)
        code = append_path (u, path, query ? (size_t)(query - path) : strlen (path));
    if (code == CURLUE_OK && query)
        code = curl_url_set (u, CURLUPART_QUERY, query + 1, CURLU_APPENDQUERY);
    if (code == CURLUE_OK)
        code = read_port (u, &out->port);
    return code == CURLUE_OK ? curl_url_get (u, CURLUPART_URL, &out->text, 0) : code;
}

/* The socket's path into out; the URL behind it is http://localhost. */
static esp_err take_socket (const char *server, http_url *out, esp_error *error)
{
    const char *path = server + strlen (unix_scheme);
    while (path[0] == '/' && path[1] == '/') /* unix:///run/x is written too */
        path++;
    if (path[0] != '/')
        return esp_error_set (
            error, ESP_EINVAL,
            "%s: the path of a Unix socket begins with /, as in unix:/run/llm.sock", server);
    if (strlen (path) >= sizeof (out->socket))
        return esp_error_set (
            error, ESP_EINVAL,
            "%.60s...: a Unix socket's path has at most %zu bytes; choose a shorter one", server,
            sizeof (out->socket) - 1);
    strcpy (out->socket, path);
    return ESP_OK;
}

static esp_err refuse (const char *server, const char *why, esp_error *error)
{
    char shown[HTTP_SHOWN_BYTES];
    if (strpbrk (server, "@?#")) /* may hold a secret */
        http_url_show (server, "", shown);
    else
        snprintf (shown, sizeof (shown), "%s", server);
    return esp_error_set (
        error, ESP_EINVAL,
        "%s: not a server's URL (%s); write http://HOST:PORT, https://HOST:PORT or unix:/PATH",
        shown, why);
}

esp_err http_url_make (const char *server, const char *path, http_url *out, esp_error *error)
{
    http_url made = {.text = NULL};
    const char *base = server;
    CURLUcode code;
    CURLU *u;
    esp_err err;
    if (strncmp (server, unix_scheme, strlen (unix_scheme)) == 0) {
        if ((err = take_socket (server, &made, error)) != ESP_OK)
            return err;
        base = "http://localhost";
    } else if (strncasecmp (server, "http://", 7) != 0 &&
               strncasecmp (server, "https://", 8) != 0) {
        return refuse (server, "its scheme is not http or https", error);
    }
    if (!(u = curl_url ()))
        return ESP_ENOMEM;
    code = build (u, base, path, &made);
    curl_url_cleanup (u);
    if (code == CURLUE_OUT_OF_MEMORY)
        return ESP_ENOMEM;
    if (code != CURLUE_OK)
        return refuse (server, curl_url_strerror (code), error);
    *out = made;
    return ESP_OK;
}

esp_err http_check_server (const char *server, esp_error *error)
{
    http_url url;
    esp_err err;
    if (!server || !*server)
        return esp_error_set (error, ESP_EINVAL, "no server's URL is given");
    if ((err = http_url_make (server, NULL, &url, error)) == ESP_OK)
        http_url_free (&url);
    return err;
}
