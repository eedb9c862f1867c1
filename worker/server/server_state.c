/* SPDX-License-Identifier: Apache-2.0 */
/* server_state.c - one server: who it is, whether it works, when it is asked again
 *
 * Who it is, first hit wins (engines.md A.7): /get_model_info SGLang, /version vLLM, /props llama.cpp, /v1/models anything
 * OpenAI-like.  Then the engine's own probe.  An answer of /health proves nothing (vllm-real.md 3): it only tells, of a server that
 * has been silent for a while, that somebody still listens.
 */

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "worker/server/servers_inner.h"

enum {
    FAILURES_IN_A_ROW =
        3, /* until a server that answers is taken out; fewer: one bad request is enough, more: tries go there in vain */
    GRACE_S =
        20, /* what flies to a server that is out may still come (it drains); longer: work waits for nothing */
    SILENT_S = 30,         /* then somebody must still listen there */
    PROBE_S = 60,          /* a probe's first byte: it may stand in a queue */
    PAUSE_MOST_S = 15,     /* between probes of a server that is out */
    REFUSED_PAUSE_S = 60,  /* of one that can only be helped by a person */
    MODELS_BYTES = 1 << 20 /* of an answer to a probe */
};

const char *const server_family_names[] = {"unknown",   "vLLM",        "SGLang",
                                           "llama.cpp", "OpenAI-like", "other"};
static const char *const family_keys[] = {"", "vllm", "sglang", "llamacpp", "openai", "other"};

const char *server_kind (const server *s)
{
    return family_keys[s->facts.family];
}

uint64_t server_pause_ns (servers *s, uint32_t round, double most_s)
{
    double pause = 0.25 * (double)(1u << (round < 10 ? round : 10));
    double u =
        (double)(esp_hash_fast (s->setup.seed ^ (uint64_t)(uint32_t)s->setup.rank, ++s->draws) >>
                 11) *
        0x1p-53;
    if (pause > most_s)
        pause = most_s;
    return (uint64_t)(pause * (0.5 + u) * 1e9);
}

/* ---- in and out of service ---- */

static void go_out (server *s, enum server_state state, const char *why)
{
    servers *all = s->all;
    uint64_t now = esp_clock_ns (all->setup.clock);
    char text[sizeof (s->trouble)];
    bool news;
    if (s->by_proxy && !s->identified)
        snprintf (text, sizeof (text),
                  "%.360s; it is asked by a proxy: %s.proxy: none, or no_proxy for its host?", why,
                  all->setup.section);
    else
        snprintf (text, sizeof (text), "%s", why);
    servers_mask_key (all, text);
    news = s->state == SERVER_UP || strcmp (s->trouble, text) != 0;
    if (s->state == SERVER_UP) {
        s->counts.outages++;
        s->out_ns = now;
        server_load_forget (s);
    }
    s->state = (uint8_t)state;
    s->identified = false;
    s->step = 0;
    s->next_ns = now + (state == SERVER_REFUSED ? (uint64_t)REFUSED_PAUSE_S * 1000000000
                                                : server_pause_ns (all, s->pauses++, PAUSE_MOST_S));
    if (news)
        esp_log (LOG_WARN, "SERVER-OUT", "%s: %s; it is asked again until it answers",
                 all->setup.section, text);
    memcpy (s->trouble, text, sizeof (text));
}

static bool suits (server *s, char *why, size_t size);

static void come_up (server *s)
{
    servers *all = s->all;
    char text[700], context[40] = "";
    if (!suits (s, text, sizeof (text))) { /* another one came up while it was probed */
        go_out (s, SERVER_REFUSED, text);
        return;
    }
    if (!all->model[0])
        snprintf (all->model, sizeof (all->model), "%s", s->facts.model);
    s->state = SERVER_UP;
    s->failures = s->pauses = 0;
    s->next_ns = 0;
    s->heard_ns = esp_clock_ns (all->setup.clock);
    s->trouble[0] = 0;
    if (s->facts.context_tokens > 0)
        snprintf (context, sizeof (context), ", context %u tokens", s->facts.context_tokens);
    snprintf (text, sizeof (text), "%s: %s%s%s, model %s%s: in service", s->shown,
              server_family_names[s->facts.family], s->facts.version[0] ? " " : "",
              s->facts.version, s->facts.model[0] ? s->facts.model : "unnamed", context);
    servers_mask_key (all, text);
    esp_log (s->was_up ? LOG_WARN : LOG_INFO, "SERVER-UP", "%s: %s", all->setup.section, text);
    s->was_up = true;
}

void server_failed (server *s, bool heavy, const char *text)
{
    s->failures++;
    s->counts.failures++;
    if (s->state == SERVER_UP && (heavy || s->failures >= FAILURES_IN_A_ROW))
        go_out (s, SERVER_OUT, text);
}

void server_worked (server *s)
{
    s->failures = 0;
}

void server_leave (server *s)
{
    esp_log (LOG_WARN, "SERVER-GONE", "%s: %s: its file in %s is gone; it gets nothing new",
             s->all->setup.section, s->shown, s->all->folder);
    if (s->asking) {
        http_cancel (s->asking);
        s->asking = NULL;
    }
    s->state = SERVER_GONE;
    s->identified = false;
    s->step = 0;
}

/* ---- requests of our own ---- */

static void answered (void *ctx, http_request *r, const http_answer *a);

static bool ask (server *s, const char *path, span json, double first_byte_s,
                 void (*done) (void *, http_request *, const http_answer *))
{
    http_call call = {
        .server = s->url, .path = path, .secret = s->all->key, .done = done, .ctx = s};
    call.limits.connect_ms = 5000;
    call.limits.first_byte_ms = (uint32_t)(first_byte_s * 1e3);
    call.limits.answer_bytes = MODELS_BYTES;
    if (json.len > 0) {
        call.body = json;
        call.copy_body = true;
    }
    return http_start (s->all->http, &call, &s->asking) == ESP_OK;
}

static const char *const who_paths[] = {"/get_model_info", "/version", "/props", "/v1/models"};
enum { WHO_MODELS = 3 };

static double probe_s (const servers *s)
{
    double most = s->setup.options->first_byte_s;
    return most < PROBE_S ? most : PROBE_S;
}

static void next_request (server *s)
{
    servers *all = s->all;
    esp_error why = {0};
    esp_err err;
    s->state = SERVER_ASKED;
    if (!s->identified) {
        if (!ask (s, who_paths[s->step], (span){0}, PROBE_S / 4, answered))
            go_out (s, SERVER_OUT, "out of memory or descriptors");
        return;
    }
    esp_buf_clear (&s->path);
    esp_buf_clear (&s->body);
    err = all->setup.probe_write
              ? all->setup.probe_write (all->setup.ctx, s, s->step, &s->path, &s->body, &why)
              : ESP_EEMPTY;
    if (err == ESP_EEMPTY)
        come_up (s);
    else if (err != ESP_OK)
        go_out (s, SERVER_REFUSED, why.text);
    else if (!ask (s, esp_buf_text (&s->path), esp_buf_span (&s->body), probe_s (all), answered))
        go_out (s, SERVER_OUT, "out of memory or descriptors");
}

/* ---- who it is ---- */

static bool says_busy (int status)
{
    return status == 429 || (status >= 500 && status != 501);
}

static void copy_text (char *out, size_t size, const json_t *value)
{
    if (!json_is_string (value))
        return;
    snprintf (out, size, "%s", json_string_value (value));
    esp_text_scrub (out);
}

static uint32_t count_of (const json_t *value)
{
    json_int_t n = json_is_integer (value) ? json_integer_value (value) : 0;
    return n > 0 && n < UINT32_MAX ? (uint32_t)n : 0;
}

/* One answer of the first three: is it this family? */
static bool recognise (server *s, uint32_t step, const json_t *root)
{
    server_facts *f = &s->facts;
    const json_t *settings = json_object_get (root, "default_generation_settings");
    if (step == 0 && json_object_get (root, "model_path")) {
        f->family = FAMILY_SGLANG;
        copy_text (f->model, sizeof (f->model), json_object_get (root, "model_path"));
        return true;
    }
    if (step == 1 && json_is_string (json_object_get (root, "version"))) {
        f->family = FAMILY_VLLM;
        copy_text (f->version, sizeof (f->version), json_object_get (root, "version"));
        return true;
    }
    if (step != 2 || (!settings && !json_object_get (root, "total_slots")))
        return false;
    f->family = FAMILY_LLAMACPP;
    f->slots = count_of (json_object_get (root, "total_slots"));
    f->context_tokens = count_of (json_object_get (settings, "n_ctx"));
    copy_text (f->version, sizeof (f->version), json_object_get (root, "build_info"));
    return true;
}

/* /v1/models: the one that is wanted, or the first. */
static void read_models (server *s, const json_t *root)
{
    const json_t *data = json_object_get (root, "data"), *item, *chosen = NULL;
    const char *wanted = s->all->setup.options->model;
    server_facts *f = &s->facts;
    size_t i, len = 0;
    bool cut = false;
    json_array_foreach (data, i, item)
    {
        const char *id = json_string_value (json_object_get (item, "id"));
        if (!id)
            continue;
        if (!chosen || (wanted && strcmp (wanted, id) == 0))
            chosen = item;
        f->models++;
        if (len + strlen (id) + sizeof (", ...") + 2 <= sizeof (f->others))
            len += (size_t)snprintf (f->others + len, sizeof (f->others) - len, "%s%s",
                                     len ? ", " : "", id);
        else
            cut = true;
    }
    if (cut)
        snprintf (f->others + len, sizeof (f->others) - len, "%s...", len ? ", " : "");
    esp_text_scrub (f->others);
    if (!chosen)
        return;
    copy_text (f->model, sizeof (f->model), json_object_get (chosen, "id"));
    if (count_of (json_object_get (chosen, "max_model_len")))
        f->context_tokens = count_of (json_object_get (chosen, "max_model_len"));
}

static bool any_model (const servers *s)
{
    const char *wanted = s->setup.options->model;
    return !wanted || !wanted[0] || strcmp (wanted, "auto") == 0;
}

bool servers_chosen (const servers *s, const char **model, const char **url)
{
    for (size_t i = 0; i < s->count && any_model (s) && s->model[0]; i++)
        if (s->items[i]->state == SERVER_UP) {
            *model = s->model;
            *url = s->items[i]->shown;
            return true;
        }
    return false;
}

/* What the run wants of it; false: *why tells. */
static bool suits (server *s, char *why, size_t size)
{
    const servers *all = s->all;
    const server_facts *f = &s->facts;
    const char *wanted = all->setup.options->model, *family = all->setup.family;
    bool openai = family && strcmp (family, "openai") == 0;
    if (family && f->family == FAMILY_OTHER)
        snprintf (why, size,
                  "%s answers, but not as a model server does (no /v1/models): another port?",
                  s->shown);
    else if (family && !openai && strcmp (family, family_keys[f->family]) != 0)
        snprintf (why, size, "%s is a server of kind %s, but %s.engine says %s", s->shown,
                  family_keys[f->family], all->setup.section, family);
    else if (!any_model (all) && f->family != FAMILY_LLAMACPP && f->model[0] &&
             strcmp (f->model, wanted) != 0)
        snprintf (why, size, "%s has no model '%.100s'; %s.model may be: %.150s", s->shown, wanted,
                  all->setup.section, f->others);
    else if (any_model (all) && f->family == FAMILY_OPENAI && f->models > 1)
        snprintf (why, size, "%s has several models; %s.model must be one of: %.200s", s->shown,
                  all->setup.section, f->others);
    else if (any_model (all) && all->model[0] && strcmp (all->model, f->model) != 0)
        snprintf (why, size, "%s has the model '%.100s', but this run began with '%.100s'",
                  s->shown, f->model, all->model);
    else
        return true;
    return false;
}

static void identified (server *s)
{
    server_facts *f = &s->facts;
    char why[480];
    if (f->family == FAMILY_UNKNOWN)
        f->family = FAMILY_OTHER;
    if (!suits (s, why, sizeof (why))) {
        go_out (s, SERVER_REFUSED, why);
        return;
    }
    if (!any_model (s->all))
        snprintf (f->model, sizeof (f->model), "%s", s->all->setup.options->model);
    s->identified = true;
    s->step = 0;
    memset (s->data, 0, s->all->setup.data_bytes);
    next_request (s);
}

static void wants_key (server *s, int status)
{
    char why[480];
    snprintf (why, sizeof (why),
              "%s wants an API key (status %d): %s.api_key_env or %s.api_key_file%s", s->shown,
              status, s->all->setup.section, s->all->setup.section,
              s->all->key ? "; the one given is refused" : "");
    go_out (s, SERVER_REFUSED, why);
}

/* The last of the four has answered.  Families that were not seen because somebody said "busy" or "no key" before (llama.cpp
 * while it loads answers only /v1/models) must not be taken for another one. */
static void all_asked (server *s)
{
    const char *family = s->all->setup.family;
    bool known = s->facts.family != FAMILY_UNKNOWN && s->facts.family != FAMILY_OPENAI;
    bool any = !family || strcmp (family, family_keys[FAMILY_OPENAI]) == 0;
    char why[480];
    if (known || (!s->who_busy && !s->who_denied) || (any && !s->who_busy)) {
        identified (s);
    } else if (s->who_busy && (!any || s->pauses + 1 < FAILURES_IN_A_ROW)) {
        snprintf (why, sizeof (why), "%s is busy or still loading (status %d)", s->shown,
                  s->who_busy);
        go_out (s, SERVER_OUT, why);
    } else if (s->who_busy) {
        identified (s);
    } else {
        wants_key (s, s->who_denied);
    }
}

static void take_who (server *s, const http_answer *a)
{
    json_t *root =
        a->status == 200 ? json_loadb (a->body.ptr ? a->body.ptr : "", a->body.len, 0, NULL) : NULL;
    bool denied = a->status == 401 || a->status == 403;
    if (s->step == 0) {
        s->facts = (server_facts){0};
        s->who_busy = s->who_denied = 0;
    }
    if (says_busy (a->status))
        s->who_busy = a->status;
    if (denied)
        s->who_denied = a->status;
    if (s->step < WHO_MODELS) {
        s->step = recognise (s, s->step, root) ? WHO_MODELS : s->step + 1;
        next_request (s);
    } else if (denied) {
        wants_key (s, a->status);
    } else {
        if (s->facts.family == FAMILY_UNKNOWN && json_is_array (json_object_get (root, "data")))
            s->facts.family = FAMILY_OPENAI;
        read_models (s, root);
        all_asked (s);
    }
    json_decref (root);
}

static void take_probe (server *s, const http_answer *a)
{
    servers *all = s->all;
    esp_error why = {0};
    esp_err err = all->setup.probe_take (all->setup.ctx, s, s->step, a->status, a->body, &why);
    if (err == ESP_OK) {
        s->step++;
        next_request (s);
    } else { /* garbage may be an accident: it is one until it was seen three times */
        bool again = err == ESP_EPEER || (err == ESP_EFORMAT && s->pauses + 1 < FAILURES_IN_A_ROW);
        go_out (s, again ? SERVER_OUT : SERVER_REFUSED, why.text);
    }
}

static void answered (void *ctx, http_request *r, const http_answer *a)
{
    server *s = ctx;
    bool who = !s->identified && s->step < WHO_MODELS;
    (void)r;
    s->asking = NULL;
    s->by_proxy = a->by_proxy && a->fault != HTTP_PROXY; /* whose sentence says it */
    if (who && a->fault == HTTP_REDIRECT)                /* of a path that it does not know */
        take_who (s, a);
    else if (a->fault != HTTP_FINE)
        go_out (s,
                a->fault == HTTP_TLS || a->fault == HTTP_REDIRECT || a->fault == HTTP_BAD_URL
                    ? SERVER_REFUSED
                    : SERVER_OUT,
                a->text);
    else if (!s->identified && says_busy (a->status) && s->step == WHO_MODELS)
        go_out (s, SERVER_OUT, a->text);
    else if (!s->identified)
        take_who (s, a);
    else
        take_probe (s, a);
}

/* ---- a server in service that says nothing ---- */

/* llama.cpp reads connections with two threads more than it has slots, and each holds a request until its end: while more wait
 * there, /health waits behind them.  Who does not come to answer in first_byte_s is found by the requests themselves. */
static bool has_its_hands_full (const server *s, enum http_fault fault)
{
    return fault == HTTP_TIMEOUT_FIRST_BYTE && s->facts.family == FAMILY_LLAMACPP &&
           s->in_flight > s->facts.slots;
}

static void watched (void *ctx, http_request *r, const http_answer *a)
{
    server *s = ctx;
    (void)r;
    s->asking = NULL;
    if (has_its_hands_full (s, a->fault))
        return;
    if (a->fault != HTTP_FINE && s->state == SERVER_GONE)
        exchanges_return (s);
    else if (a->fault != HTTP_FINE)
        server_failed (s, true, a->text);
}

static void watch (server *s, uint64_t now)
{
    uint64_t silent = (uint64_t)SILENT_S * 1000000000;
    if (!s->flying.first || s->asking || now < s->watch_ns || now - s->heard_ns < silent)
        return;
    s->watch_ns = now + silent;
    if (!ask (s, s->facts.family == FAMILY_OPENAI ? "/v1/models" : "/health", (span){0},
              PROBE_S / 4, watched))
        s->asking = NULL;
}

void server_tick (server *s, uint64_t now)
{
    switch ((enum server_state)s->state) {
    case SERVER_NEW:
        if (!s->asking) /* of the time before its file went */
            next_request (s);
        return;
    case SERVER_OUT:
    case SERVER_REFUSED:
        if (s->flying.first && now - s->out_ns > (uint64_t)GRACE_S * 1000000000)
            exchanges_return (s);
        if (now >= s->next_ns && !s->asking)
            next_request (s);
        return;
    case SERVER_UP:
        server_load_tick (s, now);
        watch (s, now);
        return;
    case SERVER_GONE: /* what it has may still come */
        watch (s, now);
        return;
    case SERVER_ASKED:
        if (s->flying.first && now - s->out_ns > (uint64_t)GRACE_S * 1000000000)
            exchanges_return (s);
        return;
    }
}
