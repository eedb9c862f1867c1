/* SPDX-License-Identifier: Apache-2.0 */
/* prm_probe.c - is this server the PRM that the run file means?  Asked before the first job, by real requests
 *
 * First the tokens: the tag, and every spelling of the labels, where the server has a vocabulary to ask.  Then an example of two
 * solutions, a right and a wrong one, in one request as jobs would send it: a server that answers it can score, and one that puts
 * the wrong solution above the right one gets a warning (a model may err; a wrong column or label always does).
 */

#include "worker/engine/prm_inner.h"
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "proto/base/log.h"
#include "worker/engine/prm_reply.h"
#include "worker/prompt/refusal.h"

static const char example_question[] = "Tom has 12 marbles and gets 30 more. How many has he now?";
static const char *const example_steps[2] = {
    "Tom starts with 12 marbles and gets 30 more, so he has 12 + 30 = 42 marbles.",
    "Tom starts with 12 marbles and gets 30 more, so he has 12 + 30 = 57 marbles."};

/* ---- tokens ---- */

void prm_probe_plan (prm *p)
{
    const layout_plan *l = &p->plan;
    bool tagged = l->reading == READ_ROWS || (l->reading == READ_PATH && !l->row->label_is_written);
    p->word_count = 0;
    if (tagged && p->options->layout.tag_id < 0)
        p->words[p->word_count++] = (prm_word){l->tag, 't'};
    if (!(p->serving->needs_labels || p->serving->likes_labels) || l->ids_given)
        return;
    for (size_t i = 0; l->good[i]; i++)
        p->words[p->word_count++] = (prm_word){l->good[i], 'g'};
    for (size_t i = 0; l->bad[i]; i++)
        p->words[p->word_count++] = (prm_word){l->bad[i], 'b'};
}

/* Requests of the probe that ask for tokens. */
static uint32_t words_for (const prm *p, const server *s)
{
    switch (server_facts_of (s)->family) {
    case FAMILY_VLLM:
    case FAMILY_SGLANG:
    case FAMILY_LLAMACPP:
        return p->word_count;
    default:
        return 0;
    }
}

static esp_err write_word (const prm *p, server *s, const prm_word *w, esp_buf *path, esp_buf *json)
{
    bool llamacpp = server_facts_of (s)->family == FAMILY_LLAMACPP;
    prm_ask ask = prm_ask_for (p, s, NULL, 0, 0);
    json_out o = prm_write_begin (&ask, "/tokenize", path, json);
    json_out_text (&o, llamacpp ? "content" : "prompt", span_of (w->text));
    json_out_bool (&o, llamacpp ? "add_special" : "add_special_tokens", false);
    if (llamacpp)
        json_out_bool (&o, "parse_special", true);
    return prm_write_end (&o);
}

/* What the run file or the layout says, where the vocabulary is not asked or has nothing. */
static void use_plan_ids (const prm *p, prm_labels *l)
{
    if (!l->has_tag && p->plan.tag_id >= 0) {
        l->has_tag = true;
        l->tag = (uint32_t)p->plan.tag_id;
    }
    if (p->plan.good_id < 0 || p->plan.bad_id < 0 || l->good_count > 0 || l->bad_count > 0)
        return;
    l->good[l->good_count++] = (uint32_t)p->plan.good_id;
    l->bad[l->bad_count++] = (uint32_t)p->plan.bad_id;
}

static void add_id (uint32_t *ids, uint8_t *count, uint32_t id)
{
    for (uint8_t i = 0; i < *count; i++)
        if (ids[i] == id)
            return;
    if (*count < LAYOUT_LABELS)
        ids[(*count)++] = id;
}

/* {"tokens": [id, ...]}; SIZE_MAX: no such list. */
static size_t read_tokens (span body, uint32_t *id)
{
    json_t *root = json_loadb (body.ptr ? body.ptr : "", body.len, 0, NULL);
    const json_t *list = json_object_get (root, "tokens"), *first = json_array_get (list, 0);
    size_t n = json_is_array (list) ? json_array_size (list) : SIZE_MAX;
    if (n == 1 && !(json_is_integer (first) && json_integer_value (first) >= 0 &&
                    json_integer_value (first) <= UINT32_MAX))
        n = SIZE_MAX;
    *id = n == 1 ? (uint32_t)json_integer_value (first) : 0;
    json_decref (root);
    return n;
}

static esp_err take_word (const prm *p, server *s, const prm_word *w, span body, esp_error *why)
{
    prm_labels *l = &((prm_known *)server_data (s))->labels;
    uint32_t id;
    size_t n = read_tokens (body, &id);
    if (n == SIZE_MAX)
        return esp_error_set (why, ESP_EFORMAT, "%s: /tokenize gave no list of tokens",
                              server_url (s));
    if (n != 1 && w->what == 't')
        return esp_error_set (why, ESP_EUNSUPPORTED,
                              "%s: the tag \"%s\" is %zu tokens of its vocabulary, it must be one: "
                              "model %s is not a PRM of layout %s (or prm.tag is another)",
                              server_url (s), w->text, n, server_facts_of (s)->model,
                              p->plan.row->name);
    if (n != 1)
        return ESP_OK; /* a spelling this vocabulary does not have */
    if (w->what == 't') {
        l->has_tag = true;
        l->tag = id;
    } else if (w->what == 'g') {
        add_id (l->good, &l->good_count, id);
    } else {
        add_id (l->bad, &l->bad_count, id);
    }
    return ESP_OK;
}

/* Before the example: does everything stand that it needs? */
static esp_err check_labels (const prm *p, server *s, esp_error *why)
{
    prm_labels *l = &((prm_known *)server_data (s))->labels;
    use_plan_ids (p, l);
    if (p->plan.reading == READ_PATH && !p->plan.row->label_is_written && !l->has_tag)
        return esp_error_set (why, ESP_EUNSUPPORTED,
                              "%s: the token of the tag \"%s\" is not known; set prm.tag_id",
                              server_url (s), p->plan.tag);
    if (!p->serving->needs_labels)
        return ESP_OK;
    if (l->good_count == 0 || l->bad_count == 0)
        return esp_error_set (why, ESP_EUNSUPPORTED,
                              "%s: the label \"%s\" is no single token of its vocabulary; set "
                              "prm.good and prm.bad, or prm.good_id and prm.bad_id",
                              server_url (s),
                              l->good_count == 0 ? p->plan.good[0] : p->plan.bad[0]);
    for (size_t i = 0; i < l->good_count; i++)
        for (size_t k = 0; k < l->bad_count; k++)
            if (l->good[i] == l->bad[k])
                return esp_error_set (why, ESP_EUNSUPPORTED,
                                      "%s: both labels are token %u of its vocabulary",
                                      server_url (s), (unsigned)l->good[i]);
    return ESP_OK;
}

/* ---- the example ---- */

/* A request for both solutions, or for one where a request takes only one text. */
struct example {
    esp_buf bytes;
    prm_text texts[2];
    double scores[2];
    size_t count;
};

static esp_err make_example (const prm *p, uint32_t first, struct example *e)
{
    size_t ends[3] = {0, 0, 0};
    esp_err err = ESP_OK;
    memset (e, 0, sizeof (*e));
    e->count = p->serving->single ? 1 : 2;
    for (size_t i = 0; err == ESP_OK && i < e->count; i++) {
        span step = span_of (example_steps[first + i]);
        err = prm_text_of (p, span_of (example_question), &step, 1, &e->bytes);
        ends[i + 1] = e->bytes.len;
    }
    for (size_t i = 0; err == ESP_OK && i < e->count; i++)
        e->texts[i] = (prm_text){.text = {e->bytes.data + ends[i], ends[i + 1] - ends[i]},
                                 .rows = 1,
                                 .want = 1,
                                 .scores = &e->scores[i]};
    return err;
}

static uint32_t examples (const prm *p)
{
    return p->serving->single ? 2 : 1;
}

esp_err
prm_probe_write (void *ctx, server *s, uint32_t step, esp_buf *path, esp_buf *json, esp_error *why)
{
    const prm *p = ctx;
    uint32_t words = words_for (p, s);
    struct example e;
    prm_ask ask;
    esp_err err;
    if (step < words)
        return write_word (p, s, &p->words[step], path, json);
    if (step >= words + examples (p))
        return ESP_EEMPTY;
    if (step == words && (err = check_labels (p, s, why)) != ESP_OK)
        return err;
    err = make_example (p, step - words, &e);
    ask = prm_ask_for (p, s, e.texts, e.count, 0);
    if (err == ESP_OK)
        err = p->serving->write (&ask, path, json);
    esp_buf_free (&e.bytes);
    return err;
}

static void warn_order (const prm *p, const server *s, const prm_known *known)
{
    if (known->right > known->wrong)
        return;
    esp_log (LOG_WARN, "PRM-ORDER",
             "%s: a wrong step scores %.4f, the right one %.4f: if the model is good, its layout "
             "(%s), labels or column are not those of the run file",
             server_url (s), known->wrong, known->right, p->plan.row->name);
}

static esp_err take_example (const prm *p, server *s, uint32_t first, span body, esp_error *why)
{
    prm_known *known = server_data (s);
    struct example e;
    esp_error inner = {0};
    uint64_t tokens;
    esp_err err = make_example (p, first, &e);
    prm_ask ask = prm_ask_for (p, s, e.texts, e.count, 0);
    if (err == ESP_OK)
        err = p->serving->read (&ask, body, &tokens, &inner);
    esp_buf_free (&e.bytes);
    if (err != ESP_OK)
        return esp_error_set (why, err == ESP_ENOMEM ? ESP_EPEER : ESP_EUNSUPPORTED,
                              "%s cannot score with layout %s: %s", server_url (s),
                              p->plan.row->name, inner.text);
    if (first == 0)
        known->right = e.scores[0];
    if (first + e.count == 2) {
        known->wrong = e.scores[e.count - 1];
        known->scored = true;
        warn_order (p, s, known);
    }
    return ESP_OK;
}

/* ---- answers ---- */

static esp_err refused (const prm *p, server *s, int status, span body, esp_error *why)
{
    char says[256];
    switch (refusal_of (status, body, says, sizeof (says))) {
    case REFUSAL_RETRY:
        return esp_error_set (why, ESP_EPEER, "%s: status %d: %s", server_url (s), status, says);
    case REFUSAL_KEY:
        return esp_error_set (why, ESP_EPERMISSION,
                              "%s wants an API key (status %d: %s); set prm.api_key_env or "
                              "prm.api_key_file",
                              server_url (s), status, says);
    case REFUSAL_TOO_MUCH:
        return esp_error_set (why, ESP_EUNSUPPORTED,
                              "%s: status %d: %s; lower prm.max_tokens (%lld), or give the model "
                              "more context",
                              server_url (s), status, says, (long long)p->options->max_tokens);
    case REFUSAL_TOO_LONG:
    case REFUSAL_MODEL:
    case REFUSAL_PATH:
    case REFUSAL_REQUEST:
        break;
    }
    return esp_error_set (why, ESP_EUNSUPPORTED,
                          "%s does not serve engine %s (status %d: %s); it needs: %s",
                          server_url (s), p->serving->name, status, says, p->serving->start_how);
}

esp_err prm_probe_take (void *ctx, server *s, uint32_t step, int status, span body, esp_error *why)
{
    const prm *p = ctx;
    uint32_t words = words_for (p, s);
    if (status >= 200 && status < 300)
        return step < words ? take_word (p, s, &p->words[step], body, why)
                            : take_example (p, s, step - words, body, why);
    if (step < words && (status == 404 || status == 405))
        return ESP_OK; /* no /tokenize: the ids of the run file or the layout */
    return refused (p, s, status, body, why);
}

/* ---- for check ---- */

static esp_err describe_labels (const prm *p, const prm_labels *l, esp_buf *out)
{
    esp_err err = ESP_OK;
    if (l->has_tag)
        err = esp_buf_printf (out, ", tag %s = %u", p->plan.tag, (unsigned)l->tag);
    for (size_t i = 0; err == ESP_OK && p->serving->needs_labels && i < l->good_count; i++)
        err = esp_buf_printf (out, "%s%u", i > 0 ? "," : ", good ", (unsigned)l->good[i]);
    for (size_t i = 0; err == ESP_OK && p->serving->needs_labels && i < l->bad_count; i++)
        err = esp_buf_printf (out, "%s%u", i > 0 ? "," : ", bad ", (unsigned)l->bad[i]);
    return err;
}

static esp_err describe_server (const prm *p, server *s, esp_buf *out)
{
    const server_facts *f = server_facts_of (s);
    const prm_known *known = server_data (s);
    bool right = known->right > known->wrong;
    esp_err err;
    if (!server_in_service (s))
        return esp_buf_printf (out, "  %s: WARNING: out of service: %s\n", server_url (s),
                               server_trouble (s)[0] ? server_trouble (s) : "no answer yet");
    err = esp_buf_printf (out, "  %s: %s %s, model %s", server_url (s),
                          server_family_names[f->family], f->version, f->model);
    if (err == ESP_OK && f->context_tokens > 0)
        err = esp_buf_printf (out, ", context %u tokens", (unsigned)f->context_tokens);
    if (err == ESP_OK)
        err = esp_buf_printf (out, "; layout %s", p->plan.row->name);
    if (err == ESP_OK)
        err = describe_labels (p, &known->labels, out);
    if (err == ESP_OK && known->scored)
        err = esp_buf_printf (out, "; %sexample: right step %.4f, wrong step %.4f%s",
                              right ? "" : "WARNING: ", known->right, known->wrong,
                              right ? "" : " (WRONG ORDER)");
    return err == ESP_OK ? esp_buf_puts (out, "\n") : err;
}

esp_err prm_describe (void *state, esp_buf *out)
{
    prm *p = state;
    esp_err err = ESP_OK;
    for (size_t i = 0; err == ESP_OK && i < servers_count (p->servers); i++)
        err = describe_server (p, servers_at (p->servers, i), out);
    return err;
}

size_t prm_models (const void *state, engine_model *out, size_t max)
{
    const prm *p = state;
    if (max == 0 || !servers_chosen (p->servers, &out->model, &out->server))
        return 0;
    out->name = p->setup.model_name;
    return 1;
}
