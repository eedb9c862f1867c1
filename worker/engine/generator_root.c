/* SPDX-License-Identifier: Apache-2.0 */
/* generator_root.c - the prompt of a problem, rendered once and continued as text from then on
 *
 * Rendered by the server's own template (engines.md A.6): vLLM and SGLang /tokenize of the messages, then /detokenize; llama.cpp
 * /apply-template.  Never continue_final_message: templates that trim would lose the "\n\n" of the last step.
 */

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "proto/base/log.h"
#include "worker/engine/generator_inner.h"

enum {
    TABLE = 1024,
    ROOTS = 4096 /* kept; fewer: problems are rendered again */
};

/* ---- requests of a rendering, by family ---- */

esp_err generator_render_write (generator *g, const server *s, int step, const root *r,
                                esp_buf *path, esp_buf *json)
{
    uint8_t family = server_facts_of (s)->family;
    esp_err err = ESP_OK;
    (void)g;
    if (family == FAMILY_LLAMACPP && step == 0) {
        if ((err = esp_buf_puts (path, "/apply-template")) == ESP_OK)
            err = esp_buf_printf (json, "{\"messages\":%s}", esp_buf_text (&r->messages));
        return err;
    }
    if ((family != FAMILY_VLLM && family != FAMILY_SGLANG) || step > 1)
        return ESP_EEMPTY;
    if ((err = esp_buf_puts (path, step == 0 ? "/tokenize" : "/detokenize")) == ESP_OK &&
        (err = esp_buf_puts (json, "{\"model\":")) == ESP_OK)
        err = esp_buf_json_string (json, span_of (server_facts_of (s)->model));
    if (err != ESP_OK)
        return err;
    return step == 0 ? esp_buf_printf (json, ",\"add_generation_prompt\":true,\"messages\":%s}",
                                       esp_buf_text (&r->messages))
                     : esp_buf_printf (json, ",\"skip_special_tokens\":false,\"tokens\":%s}",
                                       esp_buf_text (&r->ids)); /* SGLang's default is true */
}

static esp_err keep_ids (root *r, const json_t *tokens, esp_error *why)
{
    char *text = json_is_array (tokens) ? json_dumps (tokens, JSON_COMPACT) : NULL;
    esp_err err;
    if (!text)
        return esp_error_set (why, ESP_EFORMAT, "the answer of /tokenize has no \"tokens\"");
    r->tokens = (uint32_t)json_array_size (tokens);
    esp_buf_clear (&r->ids);
    err = esp_buf_puts (&r->ids, text);
    free (text);
    return err;
}

/* Without the BOS that this server puts in front of it again. */
static esp_err take_text (const server *s, root *r, span text)
{
    const struct generator_facts *f = server_data (s);
    if (f->bos[0] && span_starts (text, f->bos))
        text = span_make (text.ptr + strlen (f->bos), text.len - strlen (f->bos));
    esp_buf_clear (&r->text);
    return esp_buf_add (&r->text, text);
}

esp_err
generator_render_take (generator *g, const server *s, int step, root *r, span body, esp_error *why)
{
    json_t *root_json = json_loadb (body.ptr ? body.ptr : "", body.len, 0, NULL);
    const json_t *prompt = json_object_get (root_json, "prompt");
    esp_err err;
    (void)g;
    if (!prompt)
        prompt = json_object_get (root_json, "text");
    if (server_facts_of (s)->family != FAMILY_LLAMACPP && step == 0)
        err = keep_ids (r, json_object_get (root_json, "tokens"), why);
    else if (!json_is_string (prompt) || json_string_length (prompt) == 0)
        err = esp_error_set (why, ESP_EFORMAT, "the rendered prompt is missing in the answer");
    else
        err = take_text (s, r, span_make (json_string_value (prompt), json_string_length (prompt)));
    json_decref (root_json);
    return err;
}

/* ---- a root's way ---- */

static void render_next (root *r);

/* The root is there, or is not: its samples go out, group by group. */
static void wake (root *r)
{
    generator *g = r->owner;
    r->pins++; /* the last sample's end must not free it under us */
    while (r->waiting) {
        struct sample *group[1024], *s = r->waiting;
        uint32_t n = 0;
        for (; s && n < 1024 && (n == 0 || s->group == group[0]->group); s = s->next)
            group[n++] = s;
        r->waiting = s;
        for (uint32_t i = 0; i < n && r->failed; i++)
            generator_fail (group[i], r->code);
        if (!r->failed)
            generator_send (g, group, n);
    }
    generator_root_unpin (g, r);
}

static void root_failed (root *r, esp_err code, const char *why)
{
    r->failed = r->ready = true;
    r->code = code;
    snprintf (r->why, sizeof (r->why), "%s", why);
    esp_log (code == ESP_ECANCELED ? LOG_INFO : LOG_ERROR, "GENERATOR-PROMPT",
             "a prompt could not be rendered: %s", why);
}

static void root_ready (root *r)
{
    generator *g = r->owner;
    r->thinking = g->setup.step && step_rule_begins (g->setup.step, esp_buf_span (&r->text),
                                                     esp_buf_span (&r->prefill));
    if (esp_buf_add (&r->text, esp_buf_span (&r->prefill)) != ESP_OK) {
        root_failed (r, ESP_ENOMEM, "out of memory");
        return;
    }
    r->ready = true;
}

static esp_err root_write (void *ctx, server *s, esp_buf *path, esp_buf *json)
{
    root *r = ctx;
    return generator_render_write (r->owner, s, r->step, r, path, json);
}

static esp_err root_take (void *ctx, server *s, span body, esp_error *why)
{
    root *r = ctx;
    return generator_render_take (r->owner, s, r->step, r, body, why);
}

static void root_done (void *ctx, esp_err code, const char *text)
{
    root *r = ctx;
    r->exchange = NULL;
    if (code == ESP_OK) {
        r->step++;
        render_next (r);
    } else {
        root_failed (r, code, text);
    }
    if (r->ready)
        wake (r);
}

/* One or two requests, by the family of whoever answers: the text is there or it is not. */
static void render_next (root *r)
{
    generator *g = r->owner;
    exchange_ask ask = {.spread = r->key,
                        .weight = 1,
                        .write = root_write,
                        .take = root_take,
                        .done = root_done,
                        .ctx = r};
    if (r->text.len > 0)
        root_ready (r);
    else if (exchange_start (g->servers, &ask, &r->exchange) != ESP_OK)
        root_failed (r, ESP_ENOMEM, "out of memory");
}

/* ---- the cache ---- */

static void drop_root (root *r)
{
    if (r->exchange)
        exchange_cancel (r->exchange);
    esp_buf_free (&r->messages);
    esp_buf_free (&r->text);
    esp_buf_free (&r->ids);
    esp_buf_free (&r->prefill);
    esp_free (r);
}

static void forget_oldest (generator *g)
{
    root **oldest = NULL, *gone;
    for (size_t i = 0; i < TABLE; i++)
        for (root **at = &g->roots[i]; *at; at = &(*at)->next)
            if ((*at)->pins == 0 && (!oldest || (*at)->used < (*oldest)->used))
                oldest = at;
    if (!oldest)
        return;
    gone = *oldest;
    *oldest = gone->next;
    g->root_count--;
    drop_root (gone);
}

void generator_roots_free (generator *g)
{
    for (size_t i = 0; i < TABLE; i++)
        while (g->roots[i]) {
            root *r = g->roots[i];
            g->roots[i] = r->next;
            r->exchange = NULL; /* they ended with the servers */
            drop_root (r);
        }
}

void generator_root_unpin (generator *g, root *r)
{
    r->pins--;
    if (r->failed && r->pins == 0) /* tried anew by the next job of this problem */
        for (root **at = &g->roots[r->key & (TABLE - 1)]; *at; at = &(*at)->next)
            if (*at == r) {
                *at = r->next;
                g->root_count--;
                drop_root (r);
                return;
            }
}

void generator_root_wait (root *r, struct sample *s)
{
    struct sample **at = &r->waiting;
    while (*at)
        at = &(*at)->next;
    *at = s;
    s->next = NULL;
}

static bool by_chat (generator *g)
{
    if (g->options->api != API_AUTO)
        return g->options->api == API_CHAT;
    for (size_t i = 0; i < servers_count (g->servers); i++) {
        const struct generator_facts *f = server_data (servers_at (g->servers, i));
        if (f->probed) /* one that has never answered says nothing */
            return f->chat;
    }
    return false;
}

/* A draft that improves another one: its prompt goes on with that one and what was said of it. */
static bool improves (const job *j)
{
    return j->task.mode == TASK_DRAFT && j->step_count > 0;
}

/* What the model answered before, without its thinking if anything else is there. */
static esp_err answer_of (const generator *g, const root *r, const job *j, esp_buf *out)
{
    const step_rule *rule = g->setup.step;
    esp_buf whole = {0};
    bool thinking;
    esp_err err = esp_buf_add (&whole, esp_buf_span (&r->prefill));
    for (size_t i = 0; i < j->step_count && err == ESP_OK; i++)
        err = esp_buf_add (&whole, j->steps[i]);
    if (err == ESP_OK && rule) {
        thinking = step_rule_began (rule, esp_buf_span (&whole));
        err = step_rule_show (rule, VIEW_ANSWER, &thinking, esp_buf_span (&whole), out);
    }
    if (err == ESP_OK && span_trim (esp_buf_span (out)).len == 0) {
        esp_buf_clear (out);
        err = esp_buf_add (out, esp_buf_span (&whole));
    }
    esp_buf_free (&whole);
    return err;
}

static esp_err add_draft (const generator *g, root *r, const job *j, esp_error *why)
{
    esp_buf before = {0};
    esp_err err = answer_of (g, r, j, &before);
    if (err == ESP_OK)
        err = chat_improve (g->setup.chat, j->problem, esp_buf_span (&before), j->task.extra,
                            &r->messages, why);
    esp_buf_free (&before);
    return err;
}

static esp_err fill_root (generator *g, root *r, const job *j, esp_error *why)
{
    const chat *c = g->setup.chat;
    const engine_action *a =
        j->task.action < g->setup.action_count ? &g->setup.actions[j->task.action] : NULL;
    esp_err err =
        chat_messages (c, j->problem, a ? a->system : NULL, &r->messages, &r->prefill, why);
    if (err == ESP_OK && improves (j))
        err = add_draft (g, r, j, why);
    if (err != ESP_OK)
        return err;
    if (by_chat (g)) {
        r->thinking = g->setup.step &&
                      step_rule_begins (g->setup.step, span_of (""), esp_buf_span (&r->prefill));
        r->chat = r->ready = true;
        return ESP_OK;
    }
    if (chat_how (c) != TEMPLATE_SERVER) {
        err = chat_render (c, esp_buf_span (&r->messages), &r->text, why);
        if (err == ESP_OK)
            root_ready (r);
        return err;
    }
    render_next (r);
    return ESP_OK;
}

root *generator_root (generator *g, const job *j, esp_err *err, esp_error *why)
{
    uint64_t key = esp_hash_mix (esp_hash_mix (0x726f6f74, j->task.id.problem), j->task.action);
    root **chain, *r;
    if (improves (j))
        key = esp_hash_mix (key, j->task.node);
    chain = &g->roots[key & (TABLE - 1)];
    r = *chain;
    while (r && r->key != key)
        r = r->next;
    if (!r) {
        if (g->root_count >= ROOTS)
            forget_oldest (g);
        if (!(r = esp_calloc (1, sizeof (*r)))) {
            *err = ESP_ENOMEM;
            return NULL;
        }
        r->owner = g;
        r->key = key;
        if ((*err = fill_root (g, r, j, why)) != ESP_OK) {
            esp_log (LOG_ERROR, "GENERATOR-PROMPT", "problem %u: %s",
                     problem_number (j->task.id.problem), why->text);
            drop_root (r);
            return NULL;
        }
        r->next = *chain;
        *chain = r;
        g->root_count++;
    }
    r->pins++;
    r->used = ++g->clock;
    return r;
}
