/* SPDX-License-Identifier: Apache-2.0 */
/* generator_probe.c - what a generating server is tried with before it gets work, and what `check` says of it
 *
 * The server renders an example (does its template keep an empty line?), llama.cpp and SGLang also count its tokens (a doubled
 * BOS?), and a few tokens are generated with everything that the run will ask for: n, stop, logprobs.
 */

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/log.h"
#include "worker/engine/generator_inner.h"

enum probe_stage { RENDER, RENDER_TEXT, COUNT_BOS, BOS_TEXT, GENERATE, GENERATE_ONE, PROBED };
enum { PROBE_TOKENS = 8 };

static const char example[] = "Espalier asks: what is 2 + 2?\n\nAnswer in one word.";
static const char example_json[] =
    "[{\"role\":\"user\",\"content\":\"Espalier asks: what is 2 + 2?\\n\\nAnswer in one word.\"}]";

/* engine auto: what the server is, as long as none was good; from then on all must be like that one. */
static esp_err take_shape (generator *g, const server *s, esp_error *why)
{
    const gen_shape *found = g->any_kind ? shape_find (server_kind (s)) : g->shape;
    esp_error own = {0};
    esp_err err;
    if (found && found == g->shape)
        return ESP_OK;
    if (!found || g->settled)
        return esp_error_set (why, ESP_EUNSUPPORTED,
                              "%s is a server of kind %s, but this run began with %s; name one in "
                              "generator.engine",
                              server_url (s), server_kind (s), g->shape ? g->shape->name : "none");
    if ((err = generator_suits (g, found, &own)) != ESP_OK)
        return esp_error_set (why, err, "%s: %s", server_url (s), own.text);
    g->shape = found;
    return ESP_OK;
}

static bool renders (const server *s)
{
    uint8_t family = server_facts_of (s)->family;
    return family == FAMILY_VLLM || family == FAMILY_SGLANG || family == FAMILY_LLAMACPP;
}

/* Where the probe begins. */
static esp_err
first_stage (const generator *g, const server *s, struct generator_facts *f, esp_error *why)
{
    bool by_server = chat_how (g->setup.chat) == TEMPLATE_SERVER;
    f->stage = GENERATE;
    f->chat =
        g->options->api == API_CHAT || (g->options->api == API_AUTO && by_server && !renders (s));
    if (f->chat || !by_server)
        return ESP_OK;
    if (!renders (s))
        return esp_error_set (why, ESP_EUNSUPPORTED,
                              "%s cannot render prompts; say prompt.chat: chatml, raw or a file, "
                              "or generator.api: chat",
                              server_url (s));
    f->stage = RENDER;
    return ESP_OK;
}

static esp_err write_render (generator *g, const server *s, const struct generator_facts *f,
                             esp_buf *path, esp_buf *json)
{
    root r = {.owner = g};
    esp_err err = esp_buf_puts (&r.messages, example_json);
    if (err == ESP_OK)
        err = esp_buf_puts (&r.ids, f->ids);
    if (err == ESP_OK)
        err = generator_render_write (g, s, f->stage, &r, path, json);
    esp_buf_free (&r.messages);
    esp_buf_free (&r.ids);
    return err;
}

/* The rendered example as tokens, as the server would read it in a request; vLLM is told to add nothing there. */
static esp_err
write_count (const server *s, const struct generator_facts *f, esp_buf *path, esp_buf *json)
{
    bool llamacpp = server_facts_of (s)->family == FAMILY_LLAMACPP;
    esp_err err = esp_buf_puts (path, "/tokenize");
    if (err == ESP_OK)
        err = esp_buf_puts (json, llamacpp ? "{\"add_special\":true,\"parse_special\":true,"
                                             "\"with_pieces\":true,\"content\":"
                                           : "{\"add_special_tokens\":true,\"prompt\":");
    if (err == ESP_OK)
        err = esp_buf_json_string (json, span_of (f->text));
    return err == ESP_OK ? esp_buf_puts (json, "}") : err;
}

static const char *const probe_stop[] = {"\n\n"};

static gen_ask probe_ask (const generator *g, const server *s, const struct generator_facts *f)
{
    const gen_traits *t = &g->shape->traits;
    uint32_t slots = server_facts_of (s)->slots;
    gen_ask a = {
        .prompt = span_of (f->text[0] ? f->text : example),
        .model = server_facts_of (s)->model[0] ? server_facts_of (s)->model : NULL,
        .n = f->stage == GENERATE && t->most_n > 1 && slots != 1 && g->options->most_n != 1 ? 2 : 1,
        .seed = 1,
        .max_tokens = PROBE_TOKENS,
        .temperature = 1,
        .top_p = 1,
        .stop = probe_stop,
        .stop_count = 1,
        .logprobs = g->options->logprobs != LOGPROBS_NONE,
        .top_logprobs =
            g->options->logprobs == LOGPROBS_TOP ? (uint32_t)g->options->top_logprobs : 0,
        .slot = -1};
    a.ids = t->ids && a.top_logprobs > 0;
    if (f->chat)
        a.messages = span_of (example_json);
    return a;
}

esp_err generator_probe_write (void *ctx, server *s, uint32_t step, esp_buf *path, esp_buf *json,
                               esp_error *why)
{
    generator *g = ctx;
    struct generator_facts *f = server_data (s);
    gen_ask ask;
    esp_err err = take_shape (g, s, why);
    if (err != ESP_OK || (step == 0 && (err = first_stage (g, s, f, why)) != ESP_OK))
        return err;
    switch ((enum probe_stage)f->stage) {
    case RENDER:
    case RENDER_TEXT:
        return write_render (g, s, f, path, json);
    case COUNT_BOS:
        return write_count (s, f, path, json);
    case BOS_TEXT:
        if ((err = esp_buf_puts (path, "/detokenize")) != ESP_OK)
            return err;
        return esp_buf_printf (json, "{\"skip_special_tokens\":false,\"tokens\":%s}", f->ids);
    case GENERATE:
    case GENERATE_ONE:
        ask = probe_ask (g, s, f);
        if ((err = esp_buf_puts (path, f->chat ? g->shape->chat_path : g->shape->path)) != ESP_OK)
            return err;
        return g->shape->write (&ask, json);
    case PROBED:
        break;
    }
    return ESP_EEMPTY;
}

/* ---- answers ---- */

/* Where the server's template and step.think.opened differ, PRMs and readers of paths take thinking for the answer. */
static const char *thinking_doubt (const generator *g, const struct generator_facts *f)
{
    const step_rule *rule = g->setup.step;
    bool opens;
    if (!rule || !step_rule_has_phases (rule) || !f->text[0])
        return NULL;
    opens = step_rule_begins (rule, span_of (f->text), span_of (""));
    if (opens == step_rule_opened (rule))
        return NULL;
    return opens ? "its chat template ends with the tag that opens the thinking: say "
                   "step.think.opened: true, else PRMs take thinking for the answer"
                 : "its chat template does not open the thinking, and step.think.opened says so";
}

static esp_err take_text (const generator *g, const server *s, struct generator_facts *f,
                          const root *r, esp_error *why)
{
    if (span_find (esp_buf_span (&r->text), span_of (example)) == r->text.len)
        return esp_error_set (why, ESP_EENGINE,
                              "%s: its chat template loses text of the prompt (an empty line, or "
                              "all of it); say prompt.chat: "
                              "chatml, raw or a file",
                              server_url (s));
    if (r->text.len >= sizeof (f->text))
        return esp_error_set (why, ESP_EENGINE,
                              "%s: its chat template makes %zu bytes of a short prompt",
                              server_url (s), r->text.len);
    memcpy (f->text, r->text.data, r->text.len + 1);
    if (thinking_doubt (g, f))
        esp_log (LOG_WARN, "GENERATOR-THINKING", "generator: %s: %s", server_url (s),
                 thinking_doubt (g, f));
    f->stage = server_facts_of (s)->family == FAMILY_VLLM ? GENERATE : COUNT_BOS;
    return ESP_OK;
}

static esp_err
take_render (generator *g, const server *s, struct generator_facts *f, span body, esp_error *why)
{
    root r = {.owner = g};
    esp_error what = {0};
    esp_err err = generator_render_take (g, s, f->stage, &r, body, &what);
    if (err != ESP_OK) {
        esp_error_set (why, err, "%s: %s", server_url (s), what.text);
    } else if (r.text.len > 0) {
        err = take_text (g, s, f, &r, why);
    } else {
        f->stage = RENDER_TEXT;
        snprintf (f->ids, sizeof (f->ids), "%s", esp_buf_text (&r.ids));
        if (r.ids.len >= sizeof (f->ids))
            err = esp_error_set (why, ESP_EENGINE,
                                 "%s: its chat template makes %u tokens of a short prompt",
                                 server_url (s), r.tokens);
    }
    esp_buf_free (&r.ids);
    esp_buf_free (&r.text);
    return err;
}

static void keep_bos (struct generator_facts *f, const json_t *piece)
{
    if (json_is_string (piece))
        snprintf (f->bos, sizeof (f->bos), "%s", json_string_value (piece));
}

/* Twice the same token in front: the template's, and the server's own.  llama.cpp tells its text too. */
static void take_count (struct generator_facts *f, span body)
{
    json_t *root_json = json_loadb (body.ptr ? body.ptr : "", body.len, 0, NULL);
    const json_t *tokens = json_object_get (root_json, "tokens"),
                 *first = json_array_get (tokens, 0), *second = json_array_get (tokens, 1),
                 *id = json_is_integer (first) ? first : json_object_get (first, "id"),
                 *next = json_is_integer (second) ? second : json_object_get (second, "id");
    bool doubled = json_is_integer (id) && json_equal (id, next);
    f->stage = GENERATE;
    if (doubled && id == first) {
        snprintf (f->ids, sizeof (f->ids), "[%lld]", (long long)json_integer_value (id));
        f->stage = BOS_TEXT;
    } else if (doubled) {
        keep_bos (f, json_object_get (first, "piece"));
    }
    json_decref (root_json);
}

static void take_bos_text (struct generator_facts *f, span body)
{
    json_t *root_json = json_loadb (body.ptr ? body.ptr : "", body.len, 0, NULL);
    keep_bos (f, json_object_get (root_json, "text"));
    json_decref (root_json);
    f->stage = GENERATE;
}

/* What it cannot do, once for a generator: the first rank says it to everybody, the others to their logs. */
static void say_limits (generator *g, const server *s, const struct generator_facts *f)
{
    const gen_traits *t = &g->shape->traits;
    bool alone = f->no_n || t->most_n <= 1,
         no_ids = g->options->logprobs == LOGPROBS_TOP && !t->ids;
    if (g->said_limits || (!alone && !no_ids && t->says_stop && t->seeds && !f->chat))
        return;
    g->said_limits = true;
    esp_log (g->setup.rank <= 1 ? LOG_WARN : LOG_INFO, "GENERATOR-LIMITS",
             "generator: %s has limits%s%s%s%s%s", server_url (s),
             alone ? "; a request for each sample" : "",
             t->says_stop ? ""
                          : "; does not tell a stop text from the end: an empty step or a \\boxed "
                            "answer ends a branch",
             t->seeds ? "" : "; ignores seeds",
             no_ids ? "; log probabilities without token ids" : "",
             f->chat ? "; chat only: steps go on with the assistant's message, which many such "
                       "servers do not"
                     : "");
}

static esp_err
take_sample (generator *g, const server *s, struct generator_facts *f, span body, esp_error *why)
{
    gen_ask ask = probe_ask (g, s, f);
    gen_reply *reply;
    esp_error what = {0};
    esp_err err = reply_create (&ask, &reply);
    if (err != ESP_OK)
        return esp_error_set (why, err, "out of memory");
    if ((err = g->shape->read (reply, body, &what)) == ESP_OK &&
        (err = reply_finish (reply, &ask, &what)) == ESP_OK) {
        snprintf (f->sample, sizeof (f->sample), "%s", esp_buf_text (&reply->samples[0].text));
        esp_text_scrub (f->sample);
        snprintf (f->model, sizeof (f->model), "%s", reply->model);
        f->no_n = f->stage == GENERATE_ONE && g->shape->traits.most_n > 1;
        f->stage = PROBED;
        say_limits (g, s, f);
        f->probed = g->settled = true;
    }
    reply_destroy (reply);
    if (err == ESP_EFORMAT && f->stage == GENERATE) {
        f->stage = GENERATE_ONE;
        return ESP_OK;
    }
    return err == ESP_OK ? ESP_OK : esp_error_set (why, err, "%s: %s", server_url (s), what.text);
}

static esp_err
no_such_path (const generator *g, const server *s, const struct generator_facts *f, esp_error *why)
{
    const char *path = f->stage >= GENERATE ? f->chat ? g->shape->chat_path : g->shape->path
                                            : "route that renders prompts";
    return esp_error_set (
        why, ESP_EENGINE, "%s has no %s: is it a PRM or an embedding server, or another port?%s",
        server_url (s), path,
        f->stage >= GENERATE && !f->chat && g->shape->chat_path ? "  (generator.api: chat may work)"
                                                                : "");
}

static esp_err take_refusal (generator *g, const server *s, struct generator_facts *f, int status,
                             span body, esp_error *why)
{
    char says[300];
    switch (refusal_of (status, body, says, sizeof (says))) {
    case REFUSAL_RETRY:
        return esp_error_set (why, ESP_EPEER, "%s: status %d: %s", server_url (s), status, says);
    case REFUSAL_KEY:
        return esp_error_set (why, ESP_EPERMISSION,
                              "%s refuses the API key (status %d: %s); give one by "
                              "generator.api_key_env or api_key_file",
                              server_url (s), status, says);
    case REFUSAL_MODEL:
        return esp_error_set (why, ESP_EENGINE, "%s: %s; it has: %s", server_url (s), says,
                              server_facts_of (s)->others);
    case REFUSAL_PATH:
        return no_such_path (g, s, f, why);
    case REFUSAL_TOO_LONG:
    case REFUSAL_TOO_MUCH:
        return esp_error_set (why, ESP_EENGINE,
                              "%s: its context is too short even for a short prompt: %s",
                              server_url (s), says);
    case REFUSAL_REQUEST:
        break;
    }
    if (f->stage == GENERATE && probe_ask (g, s, f).n > 1) {
        f->stage = GENERATE_ONE;
        return ESP_OK;
    }
    return esp_error_set (why, ESP_EENGINE, "%s: status %d: %s%s", server_url (s), status, says,
                          g->options->logprobs != LOGPROBS_NONE ? " (asked with generator.logprobs)"
                                                                : "");
}

esp_err
generator_probe_take (void *ctx, server *s, uint32_t step, int status, span body, esp_error *why)
{
    generator *g = ctx;
    struct generator_facts *f = server_data (s);
    esp_err err = take_shape (g, s, why);
    (void)step;
    if (err != ESP_OK)
        return err;
    if (status < 200 || status >= 300)
        return take_refusal (g, s, f, status, body, why);
    switch ((enum probe_stage)f->stage) {
    case RENDER:
    case RENDER_TEXT:
        return take_render (g, s, f, body, why);
    case COUNT_BOS:
        take_count (f, body);
        return ESP_OK;
    case BOS_TEXT:
        take_bos_text (f, body);
        return ESP_OK;
    default:
        return take_sample (g, s, f, body, why);
    }
}

/* ---- for check ---- */

static esp_err describe_one (generator *g, server *s, esp_buf *out)
{
    const server_facts *facts = server_facts_of (s);
    const struct generator_facts *f = server_data (s);
    esp_err err = esp_buf_printf (out, "  %s: ", server_url (s));
    if (err != ESP_OK || !server_in_service (s))
        return err == ESP_OK
                   ? esp_buf_printf (out, "WARNING: out of service: %s\n",
                                     server_trouble (s)[0] ? server_trouble (s) : "no answer yet")
                   : err;
    if ((err = esp_buf_printf (out, "%s %s, model %s", server_family_names[facts->family],
                               facts->version, facts->model[0] ? facts->model : "(unnamed)")) !=
        ESP_OK)
        return err;
    if (facts->context_tokens > 0)
        err = esp_buf_printf (out, ", context %u tokens", facts->context_tokens);
    if (err == ESP_OK && facts->slots > 0)
        err = esp_buf_printf (out, ", %u slots", facts->slots);
    if (err == ESP_OK)
        err = esp_buf_printf (
            out, "\n    %s; siblings %s; %s the end of a text from a stop; says \"%s\"\n",
            f->chat ? "chat messages only (steps continue an assistant message)"
            : chat_how (g->setup.chat) == TEMPLATE_SERVER ? "prompts by its own chat template"
                                                          : "prompts rendered here",
            f->no_n || g->shape->traits.most_n <= 1 ? "as single requests" : "in one request",
            g->shape->traits.says_stop ? "tells" : "does not tell", f->sample);
    if (err == ESP_OK && thinking_doubt (g, f))
        err = esp_buf_printf (out, "    WARNING: %s: %s\n", server_url (s), thinking_doubt (g, f));
    return err;
}

esp_err generator_describe (void *state, esp_buf *out)
{
    generator *g = state;
    esp_err err = ESP_OK;
    for (size_t i = 0; i < servers_count (g->servers) && err == ESP_OK; i++)
        err = describe_one (g, servers_at (g->servers, i), out);
    return err;
}

unsigned generator_tokens (const engine_kind *kind, const void *options)
{
    const gen_shape *shape =
        shape_find (kind->name); /* NULL: auto, of which ids cannot be promised */
    if (((const generator_options *)options)->logprobs != LOGPROBS_TOP ||
        (shape && !shape->traits.logprobs))
        return 0;
    return TOKENS_LOGPROBS | (shape && shape->traits.ids ? TOKENS_IDS : 0);
}

size_t generator_models (const void *state, engine_model *out, size_t max)
{
    const generator *g = state;
    if (max == 0 || !servers_chosen (g->servers, &out->model, &out->server))
        return 0;
    out->name = g->setup.model_name;
    return 1;
}
