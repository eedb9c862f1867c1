/* SPDX-License-Identifier: Apache-2.0 */
/* kind_openai.c - a server that knows no more than OpenAI's own API: completions, chat, models */

#include <string.h>
#include "tests/support/model_server/oai.h"

enum { MOST_N = 128 };

static bool check (const asked *q, answer *a, oai_order *o)
{
    const char *model = field_text (q, "model");
    if (!model || strcmp (model, q->model) != 0) {
        answer_refuse (q, a, 404, "invalid_request_error", NULL,
                       "The model `%s` does not exist or you do not have access to it.",
                       model ? model : "");
        return false;
    }
    o->logprobs = o->logprobs > 5 ? 5 : o->logprobs;
    if (o->n < 1 || o->n > MOST_N) {
        answer_refuse (q, a, 400, "invalid_request_error", "n",
                       "Invalid 'n': must be between 1 and %d.", MOST_N);
        return false;
    }
    for (size_t i = 0; i < o->prompts.count; i++)
        if (o->prompts.rows[i].token_count + o->ask.max_tokens > q->server->max_model_len) {
            answer_refuse (q, a, 400, "invalid_request_error", "messages",
                           "This model's maximum context length is %zu tokens. However, you "
                           "requested %zu tokens.",
                           q->server->max_model_len,
                           o->prompts.rows[i].token_count + o->ask.max_tokens);
            return false;
        }
    return true;
}

static void finish (const oai_order *o, const sample *s, json_t *c)
{
    (void)o, (void)s;
    (void)json_object_del (
        c, "token_ids"); /* no ids, no stop reason: an end and a stop string look alike */
}

static json_t *logprobs (const oai_order *o, const struct prompt_row *prompt, const sample *s,
                         size_t from, size_t to)
{
    if (o->logprobs < 0)
        return json_null ();
    return o->chat ? oai_logprobs_content (o, prompt, s, from, to)
                   : oai_logprobs_lists (o, prompt, s, from, to);
}

static const oai_dialect dialect = {
    .most_stops = 4, .check = check, .finish = finish, .logprobs = logprobs, .usage = oai_usage};

static void completions (const asked *q, answer *a)
{
    oai_completions (q, a, &dialect);
}

static void chat (const asked *q, answer *a)
{
    oai_chat (q, a, &dialect);
}

static void models (const asked *q, answer *a)
{
    answer_json (a, oai_models (q, "test"));
}

static void
refuse (answer *a, unsigned status, const char *type, const char *param, const char *message)
{
    a->status = status;
    answer_json (a, json_pack ("{s:{s:s, s:s, s:s?, s:n}}", "error", "message", message, "type",
                               type, "param", param, "code"));
}

static void no_route (answer *a, bool other_method)
{
    refuse (a, other_method ? 405 : 404, "invalid_request_error", NULL,
            other_method ? "Not allowed" : "Invalid URL");
}

static bool guarded (const char *path)
{
    (void)path;
    return true;
}

static void unauthorized (answer *a)
{
    a->status = 401;
    answer_json (a, json_pack ("{s:{s:s, s:s, s:n, s:s}}", "error", "message",
                               "Incorrect API key provided.", "type", "invalid_request_error",
                               "param", "code", "invalid_api_key"));
}

static void bad_body (answer *a, const char *body, const json_error_t *error)
{
    (void)body, (void)error;
    refuse (a, 400, "invalid_request_error", NULL,
            "We could not parse the JSON body of your request.");
}

static const route routes[] = {
    {"GET", "/v1/models", SERVES_ALL, models},
    {"POST", "/v1/completions", SERVES_GENERATE, completions},
    {"POST", "/v1/chat/completions", SERVES_GENERATE, chat},
    {NULL, NULL, 0, NULL},
};

const kind kind_openai = {"openai", routes, refuse, no_route, guarded, unauthorized, bad_body};
