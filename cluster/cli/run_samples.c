/* SPDX-License-Identifier: Apache-2.0 */
/* run_samples.c - see run_samples.h */

#include "cluster/cli/run_samples.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "cluster/cli/run_tables.h"
#include "coordinator/sink/json_row.h"
#include "proto/base/alloc.h"

enum { ITEMS_MOST = 32, NAME_MOST = 64 };

static esp_err unknown_format (run_config *c, size_t i, const char *name)
{
    const char *names[64] = {NULL}, *near;
    char all[512] = "", key[64];
    size_t n = 0, len = 0;
    for (size_t f = 0; sample_format_at (f) && n < 63 && len < sizeof (all); f++)
        if (!sample_format_at (f)->text) {
            names[n] = sample_format_at (f)->name;
            len += (size_t)snprintf (all + len, sizeof (all) - len, n ? ", %s" : "%s", names[n]);
            n++;
        }
    snprintf (key, sizeof (key), "samples[%zu].format", i);
    if (sample_format_find (name))
        return config_mistake (c->yaml, key,
                               "'%s' is written from a run's journal: espalier export OUTPUT %s; "
                               "here can stand: %s",
                               name, name, all);
    near = esp_nearest (name, names);
    return config_mistake (c->yaml, key, "there is no format '%.60s'%s%s%s; there are: %s", name,
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : "", all);
}

static const char *name_of (const sample_item *one)
{
    return one->options.name ? one->options.name : one->format->name;
}

/* NAME and NAME-unverified are the beginnings of file names, and refused-00000 is the list of what was refused. */
static bool is_taken (const char *name)
{
    return span_is (span_of (name), "refused") || span_ends (span_of (name), "-unverified");
}

/* It becomes a part of file names. */
static esp_err check_name (run_config *c, size_t i)
{
    const char *name = name_of (&c->samples.items[i]);
    size_t fine = strspn (name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    char key[64];
    snprintf (key, sizeof (key), "samples[%zu].name", i);
    if (!*name || name[fine] || fine > NAME_MOST)
        return config_mistake (c->yaml, key,
                               "'%.80s': 1 to %d letters, digits, - and _, for the names of files",
                               name, NAME_MOST);
    if (is_taken (name))
        return config_mistake (
            c->yaml, key,
            "'%s' would be a name of other files in OUTPUT/samples: refused, and "
            "what ends with -unverified, are taken; choose another one",
            name);
    for (size_t before = 0; before < i; before++)
        if (c->samples.items[before].format &&
            strcmp (name_of (&c->samples.items[before]), name) == 0)
            return config_mistake (
                c->yaml, key,
                "samples[%zu] writes files with the name '%s' already; give this "
                "one a name of its own",
                before, name);
    return ESP_OK;
}

/* Token ids with logprobs and alternatives: from every generator, and known before hours have gone. */
static esp_err check_tokens (run_config *c, size_t i)
{
    const char *format = c->samples.items[i].format->name;
    char key[64], which[32] = "";
    snprintf (key, sizeof (key), "samples[%zu].format", i);
    for (size_t g = 0; g < c->engine_count[TASK_GENERATE]; g++) {
        const run_engine *e = &c->engines[TASK_GENERATE][g];
        unsigned gives = e->kind && e->kind->tokens ? e->kind->tokens (e->kind, e->own) : 0;
        if (gives == (TOKENS_LOGPROBS | TOKENS_IDS))
            continue;
        if (c->engine_count[TASK_GENERATE] > 1)
            snprintf (which, sizeof (which), "[%zu]", g);
        if (e->kind && e->kind->http && gives == 0)
            return config_mistake (c->yaml, key,
                                   "%s needs the logprobs of tokens: say generator%s.logprobs: top",
                                   format, which);
        return config_mistake (c->yaml, key,
                               "%s needs token ids and logprobs, and generator%s.engine: %s "
                               "returns none; vllm, sglang and llamacpp do",
                               format, which, e->kind ? e->kind->name : "none");
    }
    return ESP_OK;
}

static esp_err check_item (run_config *c, size_t i)
{
    const sample_item *one = &c->samples.items[i];
    char key[64];
    double low, high;
    esp_err err = check_name (c, i);
    if (err == ESP_OK && one->format->needs & SAMPLE_NEEDS_VERIFIER &&
        !c->engines[TASK_VERIFY]->kind) {
        snprintf (key, sizeof (key), "samples[%zu].format", i);
        err = config_mistake (c->yaml, key, "%s needs a verifier, and the run file has none",
                              one->format->name);
    }
    if (err == ESP_OK && one->format->needs & SAMPLE_NEEDS_LOGPROBS)
        err = check_tokens (c, i);
    if (err == ESP_OK && one->options.pass_low > one->options.pass_high) {
        snprintf (key, sizeof (key), "samples[%zu].pass_low", i);
        err = config_mistake (c->yaml, key, "larger than pass_high");
    }
    if (err == ESP_OK && one->options.balance > 0 && one->options.balance < 1) {
        snprintf (key, sizeof (key), "samples[%zu].balance", i);
        err = config_mistake (c->yaml, key,
                              "below 1 the smallest quarter itself would have too many; say 1 or "
                              "more, or 0 for no balance");
    }
    if (err == ESP_OK && one->format->band && one->format->band (one->own, &low, &high) &&
        low > high) {
        snprintf (key, sizeof (key), "samples[%zu].band_low", i);
        err = config_mistake (c->yaml, key, "larger than band_high");
    }
    return err;
}

static esp_err bind_item (run_config *c, size_t i)
{
    sample_item *one = &c->samples.items[i];
    const char *name = config_peek_at (c->yaml, "samples", i, "format");
    const esp_option *tables[2] = {sample_option_rows};
    void *structs[2] = {&one->options};
    size_t n = 1;
    esp_err err;
    one->format = name ? sample_format_find (name) : NULL;
    if (one->format && one->format->text)
        one->format = NULL;
    if (name && !one->format)
        return (err = config_accept_section (c->yaml, "samples")) == ESP_OK
                   ? unknown_format (c, i, name)
                   : err;
    if (one->format && one->format->options) {
        tables[n] = one->format->options;
        if (!(one->own = structs[n++] = esp_calloc (1, one->format->option_bytes + 1)))
            return ESP_ENOMEM;
    }
    err = config_bind_at (c->yaml, "samples", i, tables, structs, n);
    return err == ESP_OK && one->format ? check_item (c, i) : err;
}

/* ---- provenance ---- */

static void write_engine (json_row *r, const run_config *c, int k, size_t i)
{
    const run_engine *e = &c->engines[k][i];
    const char *model = config_peek_at (c->yaml, run_sections[k], i, "model");
    row_string (r, k == TASK_VERIFY ? "{\"kind\":" : "{\"engine\":",
                span_of (e->kind ? e->kind->name : "none"));
    if (e->common.name)
        row_string (r, ",\"name\":", span_of (e->common.name));
    if (model)
        row_string (r, ",\"model\":", span_of (model));
    if (k == TASK_GENERATE) {
        row_number (r, ",\"temperature\":", e->common.temperature);
        row_number (r, ",\"top_p\":", e->common.top_p);
        row_count (r, ",\"top_k\":", (uint64_t)e->common.top_k);
    }
    if (k == TASK_VERIFY)
        row_count (r, ",\"version\":", e->kind ? e->kind->version + 1 : 0);
    row_raw (r, "}");
}

/* Members that every `meta` of the run has.  URLs, folders, hosts and keys stay out. */
static esp_err write_origin (const run_config *c, esp_buf *out)
{
    json_row r = {out, ESP_OK};
    row_string (&r, "\"run\":", span_of (c->run.name));
    row_string (&r, ",\"program\":", span_of ("espalier " ESP_VERSION));
    row_count (&r, ",\"seed\":", (uint64_t)c->run.seed);
    row_string (&r, ",\"strategy\":",
                span_of (c->search.strategy ? c->search.strategy->name
                                            : NULL)); /* NULL: a mistake, told already */
    for (int k = 0; k < TASK_KINDS; k++) {
        row_string (&r, ",", span_of (run_sections[k]));
        row_raw (&r, ":");
        if (!c->engines[k]->kind)
            row_raw (&r, "null");
        else if (c->engine_count[k] == 1)
            write_engine (&r, c, k, 0);
        for (size_t i = 0; c->engine_count[k] > 1 && i < c->engine_count[k]; i++) {
            row_raw (&r, i ? "," : "[");
            write_engine (&r, c, k, i);
            row_raw (&r, i + 1 < c->engine_count[k] ? "" : "]");
        }
    }
    return r.err;
}

esp_err run_samples_bind (run_config *c)
{
    size_t n = config_section_count (c->yaml, "samples");
    esp_err err = ESP_OK;
    if (n == 0) {
        err = config_accept_section (c->yaml, "samples");
        if (err == ESP_OK)
            err = write_origin (c, &c->samples.origin); /* for espalier export */
        return err == ESP_OK ? sample_plan_names (&c->samples) : err;
    }
    if (n > ITEMS_MOST) {
        err = config_mistake (c->yaml, "samples", "a list of %zu; at most %d are possible", n,
                              ITEMS_MOST);
        n = ITEMS_MOST;
    }
    if (!(c->samples.items = esp_calloc (n, sizeof (*c->samples.items))))
        return ESP_ENOMEM;
    c->samples.count = n;
    for (size_t i = 0; i < n && err == ESP_OK; i++)
        err = bind_item (c, i);
    if (err != ESP_OK || config_mistakes (c->yaml, NULL) > 0)
        return err;
    c->search.stop = sample_plan_stop (&c->samples);
    c->search.keep_tokens = sample_plan_needs (&c->samples) & SAMPLE_NEEDS_TOKENS;
    err = write_origin (c, &c->samples.origin);
    return err == ESP_OK ? sample_plan_names (&c->samples) : err;
}

esp_err run_samples_meaning (const run_config *c, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < c->samples.count && err == ESP_OK; i++)
        err =
            esp_buf_printf (out, "%s%s", i ? ", " : "; samples: ", name_of (&c->samples.items[i]));
    return err;
}
