/* SPDX-License-Identifier: Apache-2.0 */
/* kind_generic.c - a PRM of the user's own: POST {"inputs": [..]} -> {"scores": [[..]]}
 *
 * An input is a text with step tags (--step-tag), or {"prompt", "steps": [..]}; its row has one score in [0, 1] a step.
 */

#include <string.h>
#include "tests/support/model_server/judge.h"
#include "tests/support/model_server/request.h"

static void put (esp_buf *out, json_t *text)
{
    if (json_is_string (text) &&
        esp_buf_append (out, json_string_value (text), json_string_length (text)) != ESP_OK)
        out_of_memory ();
}

static json_t *row_of_text (span text, const char *tag_text)
{
    json_t *row = json_array ();
    span tag = span_of (tag_text);
    for (size_t at = 0, found; at < text.len; at = found + tag.len) {
        found = at + span_find (span_make (text.ptr + at, text.len - at), tag);
        if (found >= text.len)
            break;
        (void)json_array_append_new (row, json_real (judge_text (span_make (text.ptr, found))));
    }
    return row;
}

static json_t *row_of_steps (json_t *input)
{
    json_t *row = json_array (), *steps = json_object_get (input, "steps");
    esp_buf text = {0};
    put (&text, json_object_get (input, "prompt"));
    for (size_t i = 0; i < json_array_size (steps); i++) {
        put (&text, json_array_get (steps, i));
        (void)json_array_append_new (row, json_real (judge_text (esp_buf_span (&text))));
    }
    esp_buf_free (&text);
    return row;
}

static void score (const asked *q, answer *a)
{
    json_t *inputs = json_object_get (q->body, "inputs"), *scores;
    if (!json_is_array (inputs) || json_array_size (inputs) == 0) {
        answer_refuse (q, a, 400, "BadRequestError", "inputs", "inputs: a list is needed");
        return;
    }
    scores = json_array ();
    for (size_t i = 0; i < json_array_size (inputs); i++) {
        json_t *input = json_array_get (inputs, i);
        span text = span_make (json_string_value (input), json_string_length (input));
        (void)json_array_append_new (scores, json_is_string (input)
                                                 ? row_of_text (text, q->server->tag)
                                                 : row_of_steps (input));
    }
    answer_json (a, json_pack ("{s:o}", "scores", scores));
}

static void health (const asked *q, answer *a)
{
    (void)q;
    answer_json (a, json_pack ("{s:s}", "status", "ok"));
}

static void
refuse (answer *a, unsigned status, const char *type, const char *param, const char *message)
{
    (void)type, (void)param;
    a->status = status;
    answer_json (a, json_pack ("{s:s}", "error", message));
}

static void no_route (answer *a, bool other_method)
{
    refuse (a, other_method ? 405 : 404, NULL, NULL, "no such route");
}

static bool guarded (const char *path)
{
    return strcmp (path, "/health") != 0;
}

static void unauthorized (answer *a)
{
    refuse (a, 401, NULL, NULL, "Unauthorized");
}

static void bad_body (answer *a, const char *body, const json_error_t *error)
{
    (void)body, (void)error;
    refuse (a, 400, NULL, NULL, "not a JSON object");
}

static const route routes[] = {
    {"GET", "/health", SERVES_ALL, health},
    {"POST", "/", SERVES_ALL, score},
    {"POST", "/score", SERVES_ALL, score},
    {NULL, NULL, 0, NULL},
};

const kind kind_generic = {"generic", routes, refuse, no_route, guarded, unauthorized, bad_body};
