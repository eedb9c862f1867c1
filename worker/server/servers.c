/* SPDX-License-Identifier: Apache-2.0 */
/* servers.c - the set: life, a pass, who is in service */

#include "worker/server/servers.h"
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/server/servers_inner.h"

enum {
    FOLDER_S =
        10, /* folders of .url files are read again; rarer: a new server waits, oftener: file servers suffer */
    KEY_PART = 4, /* bytes of a key that tell something; fewer: words that end like it are masked */
    TICK_MS = 50  /* servers are looked at; rarer: probes and retries come late */
};

static esp_err open_http (servers *s, esp_error *error)
{
    const server_options *o = s->setup.options;
    http_setup setup = {.clock = s->setup.clock,
                        .ca_file = o->ca_file,
                        .proxy = o->proxy,
                        .no_verify = !o->verify_tls};
    esp_err err;
    if (o->proxy && strcmp (o->proxy, "none") == 0)
        setup.proxy = "";
    if ((err = http_create (&setup, &s->http)) != ESP_OK)
        esp_error_set (error, err, "%s: cannot start HTTP: %s", s->setup.section,
                       esp_err_text (err));
    return err;
}

esp_err servers_create (const servers_setup *setup, servers **out, esp_error *error)
{
    servers *s = esp_calloc (1, sizeof (*s));
    esp_err err = s ? ESP_OK : ESP_ENOMEM;
    if (err == ESP_OK) {
        s->setup = *setup;
        s->created_ns = s->folder_ns = esp_clock_ns (setup->clock);
        if (!(s->homes = esp_calloc (HOMES, sizeof (*s->homes))))
            err = ESP_ENOMEM;
    }
    if (err == ESP_OK &&
        (err = servers_check_options (setup->options, setup->section, error)) == ESP_OK &&
        (err = servers_read_key (setup, &s->key, error)) == ESP_OK &&
        (err = servers_read_urls (s, error)) == ESP_OK)
        err = open_http (s, error);
    if (err == ESP_ENOMEM)
        esp_error_set (error, err, "%s", esp_err_text (err));
    if (err != ESP_OK) {
        servers_destroy (s);
        return err;
    }
    *out = s;
    return ESP_OK;
}

void servers_destroy (servers *s)
{
    if (!s)
        return;
    exchanges_destroy (s);
    http_destroy (s->http);
    for (size_t i = 0; i < s->count; i++) {
        server *at = s->items[i];
        esp_free (at->url);
        esp_free (at->shown);
        esp_free (at->data);
        esp_buf_free (&at->path);
        esp_buf_free (&at->body);
        esp_free (at);
    }
    esp_free (s->items);
    esp_free (s->homes);
    esp_free (s->folder);
    if (s->key)
        explicit_bzero (s->key, strlen (s->key));
    esp_free (s->key);
    esp_free (s);
}

int servers_fd (const servers *s)
{
    return http_fd (s->http);
}

void servers_poll (servers *s)
{
    uint64_t now;
    http_poll (s->http);
    now = esp_clock_ns (s->setup.clock);
    if (now >= s->due_ns) {
        s->due_ns = now + (uint64_t)TICK_MS * 1000000;
        if (s->folder && now - s->folder_ns >= (uint64_t)FOLDER_S * 1000000000) {
            s->folder_ns = now;
            servers_read_folder (s);
        }
        for (size_t i = 0; i < s->count; i++)
            server_tick (s->items[i], now);
    }
    exchanges_place (s, now);
}

bool servers_any_up (const servers *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i]->state == SERVER_UP)
            return true;
    return false;
}

/* ESP_EEMPTY while the first answer is still waited for, with what is known of it. */
static esp_err wait_more (const servers *s, const char *known, esp_error *why)
{
    uint64_t since = s->up_ns > s->created_ns ? s->up_ns : s->created_ns;
    double most = s->folder ? s->setup.options->urls_wait_s : s->setup.options->wait_s, waited;
    for (size_t i = 0; s->folder && i < s->count; i++) /* a new file begins the time anew */
        if (s->items[i]->made_ns > since)
            since = s->items[i]->made_ns;
    waited = (double)(esp_clock_ns (s->setup.clock) - since) / 1e9;
    if (waited < most || (s->folder && most == 0))
        return esp_error_set (why, ESP_EEMPTY, "%s", known);
    return esp_error_set (why, ESP_ETIMEOUT, "%s (waited %.0f s for it: %s.%s)", known, waited,
                          s->setup.section, s->folder ? "urls_wait_s" : "wait_s");
}

esp_err servers_ready (const servers *s, esp_error *why)
{
    const server *worst = NULL;
    size_t refused = 0;
    char nobody[400];
    if (servers_any_up (s))
        return ESP_OK;
    for (size_t i = 0; i < s->count; i++) {
        const server *at = s->items[i];
        refused += at->state == SERVER_REFUSED;
        if (at->trouble[0] && (!worst || at->state == SERVER_REFUSED))
            worst = at;
    }
    if (s->count > 0 && refused == s->count)
        return esp_error_set (why, ESP_EENGINE, "%s", worst->trouble);
    if (s->folder && s->count == 0)
        snprintf (nobody, sizeof (nobody), "%s.urls: %s %.300s", s->setup.section,
                  s->folder_away ? "cannot read the folder" : "no file *.url yet in", s->folder);
    else
        snprintf (nobody, sizeof (nobody), "no server has answered yet");
    return wait_more (s, worst ? worst->trouble : nobody, why);
}

esp_err servers_settled (const servers *s, esp_error *why)
{
    uint64_t now = esp_clock_ns (s->setup.clock);
    for (size_t i = 0; i < s->count; i++) {
        const server *at = s->items[i];
        bool open = at->state == SERVER_NEW || at->state == SERVER_ASKED || at->state == SERVER_OUT;
        if (open && (double)(now - at->made_ns) / 1e9 < s->setup.options->wait_s)
            return at->trouble[0]
                       ? esp_error_set (why, ESP_EEMPTY, "%s", at->trouble)
                       : esp_error_set (why, ESP_EEMPTY, "%s has not answered yet", at->shown);
    }
    return ESP_OK;
}

uint32_t servers_up (const servers *s)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->items[i]->state == SERVER_UP;
    return n;
}

uint32_t servers_slots (const servers *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i]->state == SERVER_UP)
            sum += server_limit (s->items[i]);
    return sum > 65536 ? 65536 : (uint32_t)sum;
}

/* A server may quote the API key: that never gets into a log. */
void servers_mask_key (const servers *s, char *text)
{
    size_t len = s->key ? strlen (s->key) : 0;
    size_t tail = strlen (text);
    for (char *at = text; len > 0 && (at = strstr (at, s->key)); at += len)
        memset (at, '*', len);
    for (size_t part = len < tail ? len : tail; part >= KEY_PART;
         part--) /* its quotation was cut */
        if (memcmp (text + tail - part, s->key, part) == 0)
            memset (text + tail - part, '*', part);
}

/* ---- looks ---- */

size_t servers_count (const servers *s)
{
    return s->count;
}

server *servers_at (servers *s, size_t index)
{
    return s->items[index];
}

const char *server_url (const server *s)
{
    return s->shown;
}

const server_facts *server_facts_of (const server *s)
{
    return &s->facts;
}

server_counts *server_counts_of (server *s)
{
    return &s->counts;
}

void *server_data (const server *s)
{
    return s->data;
}

bool server_in_service (const server *s)
{
    return s->state == SERVER_UP;
}

const char *server_trouble (const server *s)
{
    return s->trouble;
}

uint32_t server_index (const server *s)
{
    return s->index;
}
