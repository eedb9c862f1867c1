/* SPDX-License-Identifier: Apache-2.0 */
/* verifier_lean_kimina.c - kind `lean-kimina`: Lean 4 proofs by a Kimina server, which keeps REPLs itself
 *
 * The same statement, deny list and rules as `lean`: the server's own word, is_valid, knows nothing of axioms and is not asked.
 *
 * pass     proof-checked
 * fail     lean-error, admitted, axiom-not-allowed, statement-changed, forbidden-command, proof-too-long
 * unknown  timeout, no-theorem, bad-problem, bad-reply, repl-error
 *
 * Written from the server's source (POST /api/check) and tried against a stand-in: there was no Lean here.
 */

#include "worker/verifier/verifiers.h"
#include <jansson.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/engine/fields.h"
#include "worker/prompt/json_out.h"
#include "worker/server/servers.h"
#include "worker/verifier/lean_options.h"
#include "worker/verifier/proof_text.h"
#include "worker/verifier/verifier_job.h"

struct kimina_options {
    const char *header;
    double timeout_s;
    esp_strings axioms;
};

#define AT(field) offsetof (struct kimina_options, field)
static const esp_option options[] = {
    {"header", ESP_OPT_STRING, AT (header), LEAN_HEADER_DEFAULT, 0, 0, NULL, "",
     "what stands before theorems whose rows have no header", ESP_OPT_FIXED, false},
    {"timeout_s", ESP_OPT_DOUBLE, AT (timeout_s), "60", 1, 36000, NULL, "s",
     "what the server gives a proof; then its verdict is unknown", ESP_OPT_FREE, false},
    {"axioms", ESP_OPT_STRINGS, AT (axioms), NULL, 0, 0, NULL, "",
     "axioms that a proof may rest on; default: propext, Classical.choice, Quot.sound",
     ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

struct kimina;

/* A job under way. */
struct item {
    struct kimina *all;
    const job *job;
    lean_case c;
    size_t header_lines;
    lean_verdict verdict;
    exchange *ex;
    esp_buf code, seen; /* owned */
    struct item *next;
};

struct kimina {
    engine_setup setup;
    const struct kimina_options *o;
    servers *servers;   /* owned */
    struct item *items; /* owned */
    lean_rules rules;
    esp_buf text, body; /* scratch of one job */
};

/* ---- code ---- */

/* The server takes leading import lines off and numbers the rest from 1. */
static size_t lines_left (span header)
{
    while (span_starts (header, "import ")) {
        size_t end = span_find (header, span_of ("\n"));
        end = end < header.len ? end + 1 : end;
        header = span_make (header.ptr + end, header.len - end);
    }
    return proof_lines (header);
}

/* Header and body as one text in *code.  *reason as lean_body's. */
static esp_err write_code (struct kimina *k, span json, span text, esp_buf *code,
                           size_t *header_lines, lean_case *c, const char **reason,
                           const char **word)
{
    esp_err err;
    esp_buf_clear (&k->body);
    err = lean_body (json, text, code, &k->body, c, reason, word);
    if (err == ESP_OK && code->len == 0 && k->o->header)
        err = esp_buf_puts (code, k->o->header);
    if (err == ESP_OK)
        err = esp_buf_puts (code, "\n");
    *header_lines = lines_left (esp_buf_span (code));
    return err == ESP_OK ? esp_buf_add (code, esp_buf_span (&k->body)) : err;
}

static void add_snippet (json_out *o, const char *id, span code)
{
    json_out_open (o, NULL, '{');
    json_out_text (o, "id", span_of (id));
    json_out_text (o, "code", code);
    json_out_close (o, '}');
}

static esp_err write_ask (const struct kimina *k, const char *const *ids, const span *codes,
                          size_t n, esp_buf *path, esp_buf *json)
{
    json_out o = json_out_begin (json);
    esp_err err = esp_buf_puts (path, "/api/check");
    json_out_open (&o, NULL, '{');
    json_out_open (&o, "snippets", '[');
    for (size_t i = 0; i < n; i++)
        add_snippet (&o, ids[i], codes[i]);
    json_out_close (&o, ']');
    json_out_u64 (&o, "timeout", (uint64_t)k->o->timeout_s);
    json_out_bool (&o, "debug", false);
    json_out_bool (&o, "reuse", true);
    json_out_close (&o, '}');
    return err == ESP_OK ? json_out_end (&o) : err;
}

/* ---- answers ---- */

/* {"id", "error"} or {"id", "response"}; ESP_EFORMAT: neither. */
static esp_err judge (const struct kimina *k, const lean_case *c, size_t header_lines,
                      const json_t *one, lean_verdict *out, esp_buf *seen)
{
    const char *error = json_string_value (json_object_get (one, "error"));
    const json_t *response = json_object_get (one, "response");
    lean_rules rules = k->rules;
    esp_err err;
    if (error) {
        *out =
            (lean_verdict){VERDICT_UNKNOWN, strstr (error, "timed out") ? "timeout" : "repl-error"};
        return ESP_OK;
    }
    if (!json_is_object (response))
        return ESP_EFORMAT;
    rules.header_lines = header_lines;
    err = lean_judge (c, response, &rules, out, seen);
    if (err == ESP_EFORMAT)
        *out = (lean_verdict){VERDICT_UNKNOWN, "bad-reply"};
    return err == ESP_EFORMAT ? ESP_OK : err;
}

static const json_t *result_of (const json_t *root, const char *id)
{
    const json_t *one;
    size_t i;
    json_array_foreach (json_object_get (root, "results"), i, one)
    {
        const char *its = json_string_value (json_object_get (one, "id"));
        if (its && strcmp (its, id) == 0)
            return one;
    }
    return NULL;
}

static esp_err item_write (void *ctx, server *s, esp_buf *path, esp_buf *json)
{
    const struct item *item = ctx;
    const span code = esp_buf_span (&item->code);
    (void)s;
    return write_ask (item->all, (const char *const[]){"p"}, &code, 1, path, json);
}

static esp_err item_take (void *ctx, server *s, span body, esp_error *why)
{
    struct item *item = ctx;
    json_t *root = json_loadb (body.ptr ? body.ptr : "", body.len, 0, NULL);
    const json_t *one = result_of (root, "p");
    esp_err err = one ? ESP_OK : ESP_EFORMAT;
    esp_buf_clear (&item->seen);
    if (one)
        err = judge (item->all, &item->c, item->header_lines, one, &item->verdict, &item->seen);
    json_decref (root);
    (void)s;
    return err == ESP_EFORMAT ? esp_error_set (why, err, "no result of the proof in its answer")
                              : err;
}

/* ---- jobs ---- */

static void drop_item (struct item *item)
{
    struct item **at = &item->all->items;
    while (*at != item)
        at = &(*at)->next;
    *at = item->next;
    esp_buf_free (&item->code);
    esp_buf_free (&item->seen);
    esp_free (item);
}

static void item_done (void *ctx, esp_err code, const char *text)
{
    struct item *item = ctx;
    struct kimina *k = item->all;
    (void)text;
    if (code == ESP_OK)
        lean_finish (&k->setup, item->job, item->verdict.verdict, item->verdict.reason,
                     esp_buf_span (&item->seen));
    else
        verifier_fail (&k->setup, item->job, code);
    drop_item (item);
}

static esp_err
start_item (struct kimina *k, struct item *item, const char **reason, const char **word)
{
    const exchange_ask ask = {
        .weight = 1, .write = item_write, .take = item_take, .done = item_done, .ctx = item};
    esp_err err;
    esp_buf_clear (&k->text);
    if ((err = fields_join (item->job, item->job->step_count, &k->text)) == ESP_OK)
        err = write_code (k, item->job->problem, esp_buf_span (&k->text), &item->code,
                          &item->header_lines, &item->c, reason, word);
    return err == ESP_OK && !*reason ? exchange_start (k->servers, &ask, &item->ex) : err;
}

static void take_job (struct kimina *k, const job *j)
{
    struct item *item = j->task.kind == TASK_VERIFY ? esp_calloc (1, sizeof (*item)) : NULL;
    const char *reason = NULL, *word = NULL;
    esp_err err = j->task.kind == TASK_VERIFY ? ESP_ENOMEM : ESP_EUNSUPPORTED;
    if (item) {
        *item = (struct item){.all = k, .job = j, .next = k->items};
        k->items = item;
        err = start_item (k, item, &reason, &word);
    }
    if (err != ESP_OK)
        verifier_fail (&k->setup, j, err);
    else if (reason)
        lean_finish_unsent (&k->setup, j, reason, word);
    if (item && (err != ESP_OK || reason))
        drop_item (item);
}

static void kimina_start (void *state, const job *const *jobs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        take_job (state, jobs[i]);
}

static void kimina_poll (void *state)
{
    servers_poll (((struct kimina *)state)->servers);
}

static void kimina_cancel (void *state, const job *j)
{
    for (struct item *item = ((struct kimina *)state)->items; item; item = item->next)
        if (item->job == j) {
            exchange_cancel (item->ex);
            drop_item (item);
            return;
        }
}

static size_t kimina_fds (void *state, int *fds, size_t max)
{
    if (max == 0)
        return 0;
    fds[0] = servers_fd (((const struct kimina *)state)->servers);
    return 1;
}

static uint32_t kimina_slots (const void *state)
{
    return servers_slots (((const struct kimina *)state)->servers);
}

static esp_err kimina_ready (void *state, esp_error *why)
{
    return servers_ready (((const struct kimina *)state)->servers, why);
}

static esp_err kimina_settled (void *state, esp_error *why)
{
    return servers_settled (((const struct kimina *)state)->servers, why);
}

static esp_err kimina_describe (void *state, esp_buf *out)
{
    const struct kimina *k = state;
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < servers_count (k->servers); i++) {
        const server *s = servers_at (k->servers, i);
        err = esp_buf_printf (out, "  %s: %s\n", server_url (s),
                              server_in_service (s) ? "in service" : server_trouble (s));
    }
    return err;
}

/* ---- the probe: a right theorem and a wrong one, without imports ---- */

static const char *const probe_ids[] = {"right", "wrong"};
static const char *const probe_rows[] = {
    "{\"header\": \"\", \"theorem\": \"theorem espalier_probe : 1 + 1 = 2 := by sorry\"}",
    "{\"header\": \"\", \"theorem\": \"theorem espalier_probe : 1 + 1 = 3 := by sorry\"}"};

static esp_err
probe_write (void *ctx, server *s, uint32_t step, esp_buf *path, esp_buf *json, esp_error *why)
{
    struct kimina *k = ctx;
    esp_buf bodies[2] = {{0}, {0}}, header = {0};
    span codes[2];
    const char *reason, *word;
    lean_case c;
    esp_err err = step > 0 ? ESP_EEMPTY : ESP_OK;
    (void)s, (void)why;
    for (size_t i = 0; i < 2 && err == ESP_OK; i++) {
        err = lean_body (span_of (probe_rows[i]), span_of ("rfl"), &header, &bodies[i], &c, &reason,
                         &word);
        codes[i] = esp_buf_span (&bodies[i]);
    }
    if (err == ESP_OK)
        err = write_ask (k, probe_ids, codes, 2, path, json);
    esp_buf_free (&bodies[0]);
    esp_buf_free (&bodies[1]);
    esp_buf_free (&header);
    return err;
}

static esp_err
probe_take (void *ctx, server *s, uint32_t step, int status, span body, esp_error *why)
{
    static const lean_case c = {.name = "espalier_probe", .by_line = 2};
    struct kimina *k = ctx;
    json_t *root = status == 200 ? json_loadb (body.ptr ? body.ptr : "", body.len, 0, NULL) : NULL;
    lean_verdict verdicts[2] = {{0}, {0}};
    esp_buf seen = {0};
    (void)step;
    for (size_t i = 0; i < 2; i++)
        if (judge (k, &c, 0, result_of (root, probe_ids[i]), &verdicts[i], &seen) != ESP_OK)
            verdicts[i] = (lean_verdict){VERDICT_UNKNOWN, "bad-reply"};
    esp_buf_free (&seen);
    json_decref (root);
    if (verdicts[0].verdict == VERDICT_PASS && verdicts[1].verdict == VERDICT_FAIL)
        return ESP_OK;
    if (status == 429 || status >= 500)
        return ESP_EPEER;
    if (status == 401 || status == 403)
        return esp_error_set (why, ESP_EPERMISSION,
                              "%s wants an API key (status %d): verifier.api_key_env or "
                              "verifier.api_key_file",
                              server_url (s), status);
    return esp_error_set (why, ESP_EUNSUPPORTED,
                          "%s does not judge as a Kimina Lean server does (POST /api/check, status "
                          "%d): a right proof is %s (%s), a wrong one %s (%s)",
                          server_url (s), status, verdict_names[verdicts[0].verdict],
                          verdicts[0].reason, verdict_names[verdicts[1].verdict],
                          verdicts[1].reason);
}

/* ---- life ---- */

static void kimina_close (void *state)
{
    struct kimina *k = state;
    if (!k)
        return;
    servers_destroy (k->servers); /* no exchange calls back after this */
    while (k->items)
        drop_item (k->items);
    esp_buf_free (&k->text);
    esp_buf_free (&k->body);
    esp_free (k);
}

static esp_err kimina_open (const engine_setup *setup, void **state, esp_error *error)
{
    struct kimina *k;
    servers_setup with;
    esp_err err;
    if (!setup || !setup->options || !setup->done || !setup->server || !state)
        return esp_error_set (error, ESP_EINVAL, "lean-kimina: incomplete setup");
    if (!(k = esp_calloc (1, sizeof (*k))))
        return esp_error_set (error, ESP_ENOMEM, "lean-kimina: out of memory");
    k->setup = *setup;
    k->o = setup->options;
    k->rules = lean_rules_of (&k->o->axioms);
    with = (servers_setup){.options = setup->server,
                           .section = "verifier",
                           .rank = setup->rank,
                           .local_rank = setup->local_rank,
                           .clock = setup->clock,
                           .seed = setup->run_seed,
                           .probe_write = probe_write,
                           .probe_take = probe_take,
                           .ctx = k};
    if ((err = servers_create (&with, &k->servers, error)) != ESP_OK) {
        kimina_close (k);
        return err;
    }
    *state = k;
    return ESP_OK;
}

const engine_kind verifier_lean_kimina = {.name = "lean-kimina",
                                          .roles = ENGINE_VERIFIER,
                                          .options = options,
                                          .option_bytes = sizeof (struct kimina_options),
                                          .open = kimina_open,
                                          .start = kimina_start,
                                          .poll = kimina_poll,
                                          .cancel = kimina_cancel,
                                          .fds = kimina_fds,
                                          .close = kimina_close,
                                          .slots = kimina_slots,
                                          .ready = kimina_ready,
                                          .settled = kimina_settled,
                                          .describe = kimina_describe,
                                          .http = true};
