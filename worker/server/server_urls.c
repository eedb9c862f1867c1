/* SPDX-License-Identifier: Apache-2.0 */
/* server_urls.c - where servers are: option rows, placeholders, folders of .url files, the API key */

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "worker/server/servers_inner.h"

enum {
    URL_MOST = 2000, /* bytes */
    KEY_MOST = 4096  /* bytes */
};

const esp_option server_option_rows[] = {
    {"url", ESP_OPT_STRING, offsetof (server_options, url), NULL, 0, 0, NULL, "",
     "http://HOST:PORT, https://HOST/PREFIX or unix:/PATH, with or without /v1 at its end; {host}, "
     "{rank} and {local_rank} are put in",
     ESP_OPT_FREE, false},
    {"urls", ESP_OPT_STRINGS, offsetof (server_options, urls), NULL, 0, 0, NULL, "",
     "several servers; \"@FOLDER\" or \"@FOLDER/*.url\": one in each file, read again every 10 s; "
     "{host}, {rank} and {local_rank} are put in",
     ESP_OPT_FREE, false},
    {"model", ESP_OPT_STRING, offsetof (server_options, model), "auto", 0, 0, NULL, "",
     "name that the server knows; auto: the one it has", ESP_OPT_FREE, false},
    {"api_key_env", ESP_OPT_STRING, offsetof (server_options, api_key_env), NULL, 0, 0, NULL, "",
     "environment variable that holds the API key", ESP_OPT_FREE, false},
    {"api_key_file", ESP_OPT_STRING, offsetof (server_options, api_key_file), NULL, 0, 0, NULL, "",
     "file that holds the API key and that only you can read (mode 0600)", ESP_OPT_FREE, false},
    {"proxy", ESP_OPT_STRING, offsetof (server_options, proxy), NULL, 0, 0, NULL, "",
     "http://HOST:PORT; none: no proxy; unset: from the environment, as curl does", ESP_OPT_FREE,
     false},
    {"ca_file", ESP_OPT_STRING, offsetof (server_options, ca_file), NULL, 0, 0, NULL, "",
     "PEM file of an own certificate authority", ESP_OPT_FREE, false},
    {"verify_tls", ESP_OPT_BOOL, offsetof (server_options, verify_tls), "true", 0, 0, NULL, "",
     "refuse a server whose certificate is not right", ESP_OPT_FREE, false},
    {"in_flight", ESP_OPT_INT, offsetof (server_options, in_flight), "0", 0, 65536, NULL,
     "sequences",
     "at once on each server, of this rank; 0 = twice the slots of a llama.cpp server, else 64 at "
     "first and then by what /metrics says",
     ESP_OPT_FREE, false},
    {"affinity", ESP_OPT_BOOL, offsetof (server_options, affinity), "true", 0, 0, NULL, "",
     "with several servers: send a prefix to the one that holds it; false: always to the least "
     "busy one",
     ESP_OPT_FREE, false},
    {"wait_s", ESP_OPT_DOUBLE, offsetof (server_options, wait_s), "60", 0, 1000000, NULL, "s",
     "how long the first server may take to answer at the start", ESP_OPT_FREE, false},
    {"urls_wait_s", ESP_OPT_DOUBLE, offsetof (server_options, urls_wait_s), "600", 0, 1e9, NULL,
     "s",
     "the same with urls: \"@FOLDER\", whose servers may be jobs of their own: from the start, or "
     "from the last new file, to the first answer; 0 = without end",
     ESP_OPT_FREE, false},
    {"first_byte_s", ESP_OPT_DOUBLE, offsetof (server_options, first_byte_s), "300", 0.1, 1000000,
     NULL, "s",
     "longest silence before an answer begins: time in the server's queue and, without streaming, "
     "of the generation",
     ESP_OPT_FREE, false},
    {"idle_s", ESP_OPT_DOUBLE, offsetof (server_options, idle_s), "60", 0.1, 1000000, NULL, "s",
     "longest silence inside an answer", ESP_OPT_FREE, false},
    {"total_s", ESP_OPT_DOUBLE, offsetof (server_options, total_s), "1800", 0.1, 1000000, NULL, "s",
     "longest time of one request", ESP_OPT_FREE, false},
    {"tries", ESP_OPT_INT, offsetof (server_options, tries), "5", 1, 1000, NULL, "",
     "of one request before its task is handed back to the coordinator", ESP_OPT_FREE, false},
    ESP_OPTION_END,
};

/* ---- placeholders ---- */

static esp_err add_placeholder (const servers_setup *setup, const char *key, span name,
                                esp_buf *out, esp_error *error)
{
    char host[256] = "localhost";
    if (span_is (name, "rank"))
        return esp_buf_printf (out, "%d", setup->rank);
    if (span_is (name, "local_rank"))
        return esp_buf_printf (out, "%d", setup->local_rank);
    if (!span_is (name, "host"))
        return esp_error_set (error, ESP_EINVAL,
                              "%s.%s: there is no {%.*s}; there are {host}, {rank}, {local_rank}",
                              setup->section, key, (int)(name.len > 40 ? 40 : name.len), name.ptr);
    if (gethostname (host, sizeof (host) - 1) != 0)
        return esp_error_set (error, ESP_EIO, "%s.%s: this host has no name for {host}",
                              setup->section, key);
    return esp_buf_puts (out, host);
}

/* key: "url" or "urls", for messages. */
static esp_err expand (const servers_setup *setup, const char *key, const char *url, esp_buf *out,
                       esp_error *error)
{
    esp_err err = ESP_OK;
    while (*url && err == ESP_OK) {
        const char *end = *url == '{' ? strchr (url, '}') : NULL;
        if (!end) {
            err = esp_buf_append (out, url++, 1);
            continue;
        }
        err =
            add_placeholder (setup, key, span_make (url + 1, (size_t)(end - url - 1)), out, error);
        url = end + 1;
    }
    return err;
}

/* OpenAI's clients want their base URL to end with /v1, our paths begin with it: both spellings are one server.  A server of
 * one's own (no family) may have such a folder. */
static void cut_end (const servers_setup *setup, esp_buf *url)
{
    if (span_starts (esp_buf_span (url), "unix:"))
        return;
    if (span_ends (esp_buf_span (url), "/"))
        url->len--;
    if (setup->family && span_ends (esp_buf_span (url), "/v1"))
        url->len -= strlen ("/v1");
    if (url->data)
        url->data[url->len] = 0;
}

/* Of one server: filled in, and one that can be asked. */
static esp_err
whole_url (const servers_setup *setup, const char *url, esp_buf *out, esp_error *error)
{
    esp_error why = {0};
    esp_err err = expand (setup, "url", url, out, error);
    if (err == ESP_OK)
        cut_end (setup, out);
    if (err == ESP_OK && out->len > URL_MOST)
        return esp_error_set (error, ESP_EINVAL, "%s.url: longer than %d bytes", setup->section,
                              URL_MOST);
    if (err == ESP_OK && (err = http_check_server (esp_buf_text (out), &why)) == ESP_EINVAL)
        esp_error_set (error, err, "%s.url: %s", setup->section, why.text);
    return err;
}

/* ---- the list ---- */

/* Without user, password and query: for people. */
static char *shown_url (const char *url)
{
    const char *scheme = strstr (url, "://"), *host = scheme ? scheme + 3 : url;
    size_t path = strcspn (host, "/?#"), end = path + strcspn (host + path, "?#");
    const char *at = NULL;
    char *out = esp_malloc (strlen (url) + 1);
    for (size_t i = 0; scheme && i < path; i++)
        if (host[i] == '@')
            at = host + i + 1;
    if (!out)
        return NULL;
    memcpy (out, url, (size_t)(host - url));
    out[host - url] = 0;
    if (at) {
        end -= (size_t)(at - host);
        host = at;
    }
    strncat (out, host, end);
    esp_text_scrub (out);
    return out;
}

static void drop (server *s)
{
    if (!s)
        return;
    esp_free (s->url);
    esp_free (s->shown);
    esp_free (s->data);
    esp_buf_free (&s->path);
    esp_buf_free (&s->body);
    esp_free (s);
}

static server *find_url (const servers *s, const char *url)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp (s->items[i]->url, url) == 0)
            return s->items[i];
    return NULL;
}

/* One that is gone does not count: a job that is preempted for weeks brings a new URL each time. */
static bool too_many (const servers *s)
{
    size_t there = 0;
    for (size_t i = 0; i < s->count; i++)
        there += s->items[i]->state != SERVER_GONE;
    return there >= MOST_SERVERS || s->count >= MOST_EVER;
}

static esp_err make (servers *s, const char *url)
{
    server *made = esp_calloc (1, sizeof (*made));
    if (!made)
        return ESP_ENOMEM;
    made->all = s;
    made->hash = esp_hash64 (url, strlen (url), 0);
    made->index = (uint32_t)s->count;
    made->made_ns = esp_clock_ns (s->setup.clock);
    if (!(made->url = esp_strdup (url)) || !(made->shown = shown_url (url)) ||
        !(made->data = esp_calloc (1, s->setup.data_bytes + 1)) ||
        esp_grow (&s->items, &s->cap, s->count + 1, sizeof (server *)) != 0) {
        drop (made);
        return ESP_ENOMEM;
    }
    s->items[s->count++] = made;
    s->due_ns = 0;
    return ESP_OK;
}

esp_err servers_add (servers *s, const char *url, esp_error *error)
{
    esp_buf whole = {0};
    esp_err err = whole_url (&s->setup, url, &whole, error);
    server *old;
    if (err == ESP_OK && (old = find_url (s, esp_buf_text (&whole)))) {
        if (old->state == SERVER_GONE) { /* its file came back */
            old->state = SERVER_NEW;
            old->out_ns = old->made_ns =
                esp_clock_ns (s->setup.clock); /* what still flies there has its time */
            old->pauses = 0;
            s->due_ns = old->next_ns = 0;
        }
    } else if (err == ESP_OK && too_many (s)) {
        err =
            esp_error_set (error, ESP_EINVAL, "%s.urls: more than %d servers, or %d over the time",
                           s->setup.section, MOST_SERVERS, MOST_EVER);
    } else if (err == ESP_OK) {
        err = make (s, esp_buf_text (&whole));
    }
    esp_buf_free (&whole);
    return err;
}

/* ---- folders ---- */

/* The first line of a file; false: it cannot be read, or is empty. */
static bool first_line (const char *folder, const char *name, char *out, size_t size)
{
    esp_buf path = {0};
    span line;
    ssize_t got = -1;
    int fd = -1;
    if (esp_buf_printf (&path, "%s/%s", folder, name) == ESP_OK)
        fd = open (esp_buf_text (&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        got = read (fd, out, size - 1);
        close (fd);
    }
    esp_buf_free (&path);
    if (got <= 0)
        return false;
    out[got] = 0;
    out[strcspn (out, "\r\n")] = 0;
    line = span_trim (span_of (out));
    memmove (out, line.ptr, line.len);
    out[line.len] = 0;
    return line.len > 0;
}

static void mark_gone (servers *s, const bool *seen, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!seen[i] && s->items[i]->state != SERVER_GONE)
            server_leave (s->items[i]);
}

/* A bad file is read every 10 s and said once. */
static bool said_before (servers *s, const char *name, const char *url)
{
    uint64_t key = esp_hash64 (url, strlen (url), esp_hash64 (name, strlen (name), 0));
    for (size_t i = 0; i < BAD_FILES; i++)
        if (s->bad_files[i] == key)
            return true;
    s->bad_files[s->bad_next++ % BAD_FILES] = key;
    return false;
}

static void note_url (servers *s, const char *name, const char *url, bool *seen, size_t count)
{
    esp_error error = {0};
    size_t before = s->count;
    const server *at;
    esp_buf whole = {0};
    esp_err err = servers_add (s, url, &error);
    if (err != ESP_OK && !said_before (s, name, url))
        esp_log (LOG_WARN, "SERVER-URL-FILE", "%s/%s: %s", s->folder, name, error.text);
    else if (s->count > before)
        esp_log (LOG_INFO, "SERVER-NEW", "%s: %s/%s brings %s", s->setup.section, s->folder, name,
                 s->items[before]->shown);
    if (whole_url (&s->setup, url, &whole, &error) == ESP_OK &&
        (at = find_url (s, esp_buf_text (&whole))) && at->index < count)
        seen[at->index] = true;
    esp_buf_free (&whole);
}

void servers_read_folder (servers *s)
{
    DIR *dir = opendir (s->folder);
    size_t count = s->count;
    bool *seen = esp_calloc (count + 1, sizeof (*seen));
    char url[URL_MOST + 2];
    if (dir && seen) {
        for (const struct dirent *e; (e = readdir (dir));) {
            size_t len = strlen (e->d_name);
            if (e->d_name[0] != '.' && len > 4 && strcmp (e->d_name + len - 4, ".url") == 0 &&
                first_line (s->folder, e->d_name, url, sizeof (url)))
                note_url (s, e->d_name, url, seen, count);
        }
        mark_gone (s, seen, count);
    }
    if (dir)
        closedir (dir);
    else if (!s->folder_away) /* the servers that it brought stay */
        esp_log (LOG_WARN, "SERVER-FOLDER",
                 "%s.urls: the folder %s cannot be read; it is looked at again", s->setup.section,
                 s->folder);
    s->folder_away = !dir;
    esp_free (seen);
}

/* The folder of "@FOLDER", "@FOLDER/" or "@FOLDER/\*.url". */
static esp_err
folder_of (const servers_setup *setup, const char *text, esp_buf *out, esp_error *error)
{
    esp_err err = expand (setup, "urls", text + 1, out, error);
    if (span_ends (esp_buf_span (out), "/*.url"))
        out->len -= strlen ("/*.url");
    if (err == ESP_OK && out->len == 0)
        err = esp_error_set (error, ESP_EINVAL, "%s.urls: one folder, as in @servers/*.url",
                             setup->section);
    return err;
}

static bool is_folder (const char *url)
{
    return url[0] == '@';
}

esp_err servers_check_options (const server_options *o, const char *section, esp_error *error)
{
    const servers_setup setup = {.options = o, .section = section};
    bool one = o->url && o->url[0];
    size_t folders = 0, count = (one ? 1 : 0) + o->urls.count;
    esp_buf whole = {0};
    esp_err err = one ? whole_url (&setup, o->url, &whole, error) : ESP_OK;
    for (size_t i = 0; i < o->urls.count && err == ESP_OK; i++) {
        const char *url = o->urls.items[i];
        esp_buf_clear (&whole);
        folders += is_folder (url);
        err = is_folder (url) ? folder_of (&setup, url, &whole, error)
                              : whole_url (&setup, url, &whole, error);
    }
    esp_buf_free (&whole);
    if (err == ESP_OK && folders > 1)
        err =
            esp_error_set (error, ESP_EINVAL, "%s.urls: one folder, as in @servers/*.url", section);
    if (err == ESP_OK && folders > 0 && count > 1)
        err = esp_error_set (error, ESP_EINVAL, "%s.urls: either servers or one @FOLDER, not both",
                             section);
    if (err == ESP_OK && count == 0)
        err = esp_error_set (error, ESP_EINVAL,
                             "%s.url: says no server, such as http://localhost:8000", section);
    if (err == ESP_OK && o->api_key_env && o->api_key_file)
        err = esp_error_set (error, ESP_EINVAL,
                             "%s.api_key_env: api_key_env or api_key_file, not both", section);
    return err;
}

static esp_err take_folder (servers *s, const char *text, esp_error *error)
{
    esp_buf folder = {0};
    esp_err err = folder_of (&s->setup, text, &folder, error);
    if (err == ESP_OK && !(s->folder = esp_strndup (folder.data, folder.len)))
        err = ESP_ENOMEM;
    esp_buf_free (&folder);
    return err;
}

esp_err servers_read_urls (servers *s, esp_error *error)
{
    const server_options *o = s->setup.options;
    esp_err err = ESP_OK;
    if (o->url && o->url[0])
        err = servers_add (s, o->url, error);
    for (size_t i = 0; i < o->urls.count && err == ESP_OK; i++)
        err = is_folder (o->urls.items[i]) ? take_folder (s, o->urls.items[i], error)
                                           : servers_add (s, o->urls.items[i], error);
    if (err == ESP_OK && s->folder)
        servers_read_folder (s);
    return err;
}

/* ---- the API key ---- */

/* It becomes a header: control bytes would begin another one. */
static esp_err
keep_key (const char *section, const char *from, span found, char **key, esp_error *error)
{
    for (size_t i = 0; i < found.len; i++)
        if ((unsigned char)found.ptr[i] < 0x21 || (unsigned char)found.ptr[i] == 0x7f)
            return esp_error_set (error, ESP_EINVAL,
                                  "%s.%s: the key holds spaces or control bytes: one line with "
                                  "the key alone is meant",
                                  section, from);
    *key = esp_strndup (found.ptr, found.len);
    return *key ? ESP_OK : ESP_ENOMEM;
}

static esp_err key_from_file (const char *section, const char *path, char **key, esp_error *error)
{
    char text[KEY_MOST + 1];
    esp_err err;
    struct stat info;
    span trimmed;
    ssize_t got = -1;
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return esp_error_set (error, ESP_ENOENT, "%s.api_key_file: %s cannot be read", section,
                              path);
    if (fstat (fd, &info) == 0 && (info.st_mode & 077) != 0) {
        close (fd);
        return esp_error_set (error, ESP_EPERMISSION,
                              "%s.api_key_file: others may read %s; do: chmod 600 %s", section,
                              path, path);
    }
    got = read (fd, text, KEY_MOST);
    close (fd);
    trimmed = span_trim (span_make (text, got > 0 ? (size_t)got : 0));
    if (trimmed.len == 0)
        return esp_error_set (error, ESP_ENOENT, "%s.api_key_file: %s is empty", section, path);
    err = keep_key (section, "api_key_file", trimmed, key, error);
    explicit_bzero (text, sizeof (text));
    return err;
}

static bool names_variable (const char *name)
{
    size_t n = 0;
    while (isalnum ((unsigned char)name[n]) || name[n] == '_')
        n++;
    return n > 0 && !name[n] && !isdigit ((unsigned char)name[0]);
}

esp_err servers_read_key (const servers_setup *setup, char **key, esp_error *error)
{
    const server_options *o = setup->options;
    const char *value;
    if (o->api_key_file)
        return key_from_file (setup->section, o->api_key_file, key, error);
    if (!o->api_key_env)
        return ESP_OK;
    if (!names_variable (o->api_key_env)) /* not quoted: it may be the key itself */
        return esp_error_set (error, ESP_EINVAL,
                              "%s.api_key_env: the name of an environment variable is wanted, such "
                              "as MY_API_KEY; the key itself never stands in a run file",
                              setup->section);
    value = getenv (o->api_key_env);
    if (!value || span_trim (span_of (value)).len == 0)
        return esp_error_set (error, ESP_ENOENT,
                              "%s.api_key_env: the environment variable %s is not set on rank %d "
                              "(mpirun -x %s gives it "
                              "to all ranks)",
                              setup->section, o->api_key_env, setup->rank, o->api_key_env);
    return keep_key (setup->section, "api_key_env", span_trim (span_of (value)), key, error);
}
