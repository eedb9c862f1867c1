/* SPDX-License-Identifier: Apache-2.0 */
/* control_file.c - see control_file.h */

#include "proto/client/control_file.h"
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "proto/base/file.h"

enum { PATH_MOST = 4096, FILE_BYTES = 65536 };

static bool exists (const char *output, const char *name)
{
    char path[PATH_MOST];
    return esp_path_join (path, sizeof (path), output, name) == ESP_OK && access (path, F_OK) == 0;
}

static esp_err not_there (const char *output, const char *path, esp_error *error)
{
    if (exists (output, "done"))
        return esp_error_set (error, ESP_ENOENT,
                              "%s: the run is finished; look at it by 'espalier show' and "
                              "'espalier report'",
                              output);
    if (exists (output, "run.yaml"))
        return esp_error_set (error, ESP_ENOENT,
                              "%s: the run is not going on now, or cannot be watched "
                              "(observe.enabled); 'espalier resume %s' goes on with it",
                              output, output);
    return esp_error_set (error, ESP_ENOENT, "%s does not exist; is %s the output folder of a run?",
                          path, output);
}

static bool take (const json_t *from, const char *key, char *out, size_t size)
{
    const char *text = json_string_value (json_object_get (from, key));
    return text && text[0] && (size_t)snprintf (out, size, "%s", text) < size;
}

static bool is_url (const char *url)
{
    return strncmp (url, "ipc://", 6) == 0 || strncmp (url, "tcp://", 6) == 0 ||
           strncmp (url, "ws://", 5) == 0;
}

static esp_err understand (span text, control_file *out)
{
    json_t *root = json_loadb (text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    control_file f = {.pid = 0};
    bool good = json_is_object (root) && take (root, "events", f.events, sizeof (f.events)) &&
                take (root, "control", f.control, sizeof (f.control)) &&
                take (root, "token", f.token, sizeof (f.token)) &&
                take (root, "host", f.host, sizeof (f.host)) && is_url (f.events) &&
                is_url (f.control);
    f.pid = (long)json_integer_value (json_object_get (root, "pid"));
    json_decref (root);
    if (!good || f.pid <= 0)
        return ESP_EFORMAT;
    *out = f;
    return ESP_OK;
}

esp_err control_file_read (const char *output, control_file *out, esp_error *error)
{
    char path[PATH_MOST];
    esp_buf text = {0};
    esp_err err = esp_path_join (path, sizeof (path), output, "control.json");
    if (err != ESP_OK)
        return esp_error_set (error, ESP_ENOENT, "%.200s...: the path is too long", output);
    if ((err = esp_file_read (path, FILE_BYTES, &text, error)) == ESP_ENOENT)
        return not_there (output, path, error);
    if (err == ESP_OK && (err = understand (esp_buf_span (&text), out)) != ESP_OK)
        esp_error_set (error, err, "%s is not what a run writes; remove it if no run is going on",
                       path);
    esp_buf_free (&text);
    return err;
}

bool control_file_is_current (const char *output, const control_file *mine)
{
    control_file now;
    return control_file_read (output, &now, NULL) == ESP_OK && strcmp (now.token, mine->token) == 0;
}

bool control_file_is_here (const control_file *f)
{
    char host[256] = "";
    gethostname (host, sizeof (host) - 1);
    return strcmp (host, f->host) == 0;
}
