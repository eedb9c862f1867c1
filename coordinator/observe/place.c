/* SPDX-License-Identifier: Apache-2.0 */
/* place.c - see place.h */

#include "coordinator/observe/place.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/file.h"
#include "proto/base/hash.h"

enum { PATH_MOST = 4096 };

static esp_err draw_token (char out[PLACE_TOKEN_HEX + 1], esp_error *error)
{
    uint8_t bits[PLACE_TOKEN_HEX / 2];
    if (getrandom (bits, sizeof (bits), 0) != (ssize_t)sizeof (bits))
        return esp_error_set (error, ESP_EIO, "no random bytes for the token: %s",
                              strerror (errno));
    esp_hex (bits, sizeof (bits), out);
    return ESP_OK;
}

/* ---- socket files ---- */

/* The folder may have been made by somebody else in /tmp: it must be ours, no link, and closed to others. */
static esp_err make_folder (const char *path, esp_error *error)
{
    struct stat s;
    if (mkdir (path, 0700) != 0 && errno != EEXIST)
        return esp_error_set (error, esp_err_of_errno (errno), "%s: %s", path, strerror (errno));
    if (lstat (path, &s) != 0)
        return esp_error_set (error, esp_err_of_errno (errno), "%s: %s", path, strerror (errno));
    if (!S_ISDIR (s.st_mode) || s.st_uid != geteuid () || (s.st_mode & 077) != 0)
        return esp_error_set (
            error, ESP_EPERMISSION,
            "%s is not a folder that only this user may enter (mode 0700); remove it, or set "
            "XDG_RUNTIME_DIR or observe.listen",
            path);
    return ESP_OK;
}

/* Longest folder: STEM_MAX less "/" and 16 digits. */
static bool is_usable (const char *runtime)
{
    return runtime && runtime[0] == '/' &&
           strlen (runtime) + strlen ("/espalier") <= PLACE_STEM_MAX - 17;
}

static esp_err choose_files (const char *output, place *p, esp_error *error)
{
    const char *runtime = getenv ("XDG_RUNTIME_DIR");
    char real[PATH_MOST], folder[PLACE_STEM_MAX - 16];
    esp_err err;
    if (strlen (output) >= PATH_MOST || !realpath (output, real))
        return esp_error_set (error, ESP_ENOENT, "%s: %s", output, strerror (errno));
    if (is_usable (runtime) && access (runtime, W_OK | X_OK) == 0)
        snprintf (folder, sizeof (folder), "%s/espalier", runtime);
    else
        snprintf (folder, sizeof (folder), "/tmp/espalier-%u", (unsigned)geteuid ());
    if ((err = make_folder (folder, error)) != ESP_OK)
        return err;
    snprintf (p->stem, sizeof (p->stem), "%s/%016" PRIx64, folder,
              esp_hash64 (real, strlen (real), 0));
    p->local = true;
    return ESP_OK;
}

/* ---- tcp://HOST:PORT ---- */

static esp_err read_listen (const char *listen, place *p, esp_error *error)
{
    static const char scheme[] = "tcp://";
    const char *host = listen + sizeof (scheme) - 1, *colon = strrchr (listen, ':');
    char *end = NULL;
    unsigned long port;
    size_t len;
    if (strncmp (listen, scheme, sizeof (scheme) - 1) != 0 || !colon || colon < host)
        return esp_error_set (error, ESP_EFORMAT, "observe.listen: '%.200s' is not tcp://HOST:PORT",
                              listen);
    len = (size_t)(colon - host);
    port = strtoul (colon + 1, &end, 10);
    if (len >= sizeof (p->host) || colon[1] < '0' || colon[1] > '9' || *end || port > UINT16_MAX ||
        strcspn (host, "/?#@ ") < len)
        return esp_error_set (error, ESP_EFORMAT, "observe.listen: '%.200s' is not tcp://HOST:PORT",
                              listen);
    memcpy (p->host, host, len);
    p->host[len] = 0;
    p->port = (uint16_t)port;
    return ESP_OK;
}

esp_err place_choose (const char *output, const char *listen, place *out, esp_error *error)
{
    place p = {.local = false};
    esp_err err = draw_token (p.token, error);
    if (err == ESP_OK)
        err = listen ? read_listen (listen, &p, error) : choose_files (output, &p, error);
    if (err == ESP_OK)
        *out = p;
    return err;
}

/* ---- control.json ---- */

static esp_err add (esp_buf *b, const char *key, const char *value)
{
    esp_err err = esp_buf_puts (b, key);
    return err == ESP_OK ? esp_buf_json_string (b, span_of (value)) : err;
}

esp_err place_announce (const char *output, const place *p, const char *events_url,
                        const char *control_url, esp_error *error)
{
    char path[PATH_MOST], host[256] = "";
    esp_buf text = {0};
    esp_err err = esp_path_join (path, sizeof (path), output, "control.json");
    if (err != ESP_OK)
        return esp_error_set (error, err, "%.200s...: the path is too long", output);
    gethostname (host, sizeof (host) - 1);
    if ((err = add (&text, "{\"events\": ", events_url)) != ESP_OK ||
        (err = add (&text, ", \"control\": ", control_url)) != ESP_OK ||
        (err = add (&text, ", \"token\": ", p->token)) != ESP_OK ||
        (err = esp_buf_printf (&text, ", \"pid\": %ld", (long)getpid ())) != ESP_OK ||
        (err = add (&text, ", \"host\": ", host)) != ESP_OK ||
        (err = esp_buf_puts (&text, "}\n")) != ESP_OK)
        esp_error_set (error, err, "%s", esp_err_text (err));
    else
        err = esp_file_write (path, esp_buf_span (&text), 0600, error);
    esp_buf_free (&text);
    return err;
}

void place_withdraw (const char *output)
{
    char path[PATH_MOST];
    if (esp_path_join (path, sizeof (path), output, "control.json") == ESP_OK)
        unlink (path);
}
