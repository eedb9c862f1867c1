/* SPDX-License-Identifier: Apache-2.0 */
/* step_rule.c - options to a compiled rule, and what to ask a server for; texts are cut in step_cut.c
 *
 * No stop text may stand inside another one of its phase.  Then the one that begins first also ends first, so what a
 * server stops at is what step_cut.c finds, whatever the server's way to look ("\n" beside "\n\n": the longer
 * one would never be reached).
 */

#include "worker/prompt/step_rule.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/prompt/step_inner.h"

#define ANSWER(field) offsetof (step_options, answer.field)
#define THINK(field)  offsetof (step_options, think.field)

enum { TOKENS_MOST = 1000000, CHARS_MOST = 100000, EVERY_MOST = 1000 };

const esp_option step_option_rows[] = {
    {"separator", ESP_OPT_STRINGS, ANSWER (separator), NULL, 0, 0, NULL, "",
     "a step ends behind one of these texts (at most 4, with thinking 3); unset, and no other "
     "rule: \"\\n\\n\"",
     ESP_OPT_FIXED, false},
    {"every", ESP_OPT_INT, ANSWER (every), "1", 1, EVERY_MOST, NULL, "separators",
     "so many separators or matches make a step", ESP_OPT_FIXED, false},
    {"regex", ESP_OPT_STRING, ANSWER (regex), NULL, 0, 0, NULL, "",
     "a step ends where a match of this pattern ends (PCRE2)", ESP_OPT_FIXED, false},
    {"tokens", ESP_OPT_INT, ANSWER (tokens), "0", 0, TOKENS_MOST, NULL, "tokens",
     "a step ends after so many; 0 = off; with a separator: whichever comes first", ESP_OPT_FIXED,
     false},
    {"whole", ESP_OPT_BOOL, ANSWER (whole), "false", 0, 0, NULL, "", "all is one step",
     ESP_OPT_FIXED, false},
    {"min_chars", ESP_OPT_INT, ANSWER (min_chars), "0", 0, CHARS_MOST, NULL, "characters",
     "a step with fewer (white space not counted) is joined with what follows", ESP_OPT_FIXED,
     false},
    {"think.open", ESP_OPT_STRING, offsetof (step_options, think_open), NULL, 0, 0, NULL, "",
     "tag that begins the thinking; unset: `<think>` if another key of step.think is set, else "
     "there "
     "is no such phase",
     ESP_OPT_FIXED, false},
    {"think.close", ESP_OPT_STRING, offsetof (step_options, think_close), NULL, 0, 0, NULL, "",
     "tag that ends it; unset: `</think>`", ESP_OPT_FIXED, false},
    {"think.opened", ESP_OPT_BOOL, offsetof (step_options, think_opened), "false", 0, 0, NULL, "",
     "the server's chat template ends with think.open (DeepSeek-R1, QwQ): answers begin inside the "
     "thinking",
     ESP_OPT_FIXED, false},
    {"think.max_tokens", ESP_OPT_INT, offsetof (step_options, think_max_tokens), "0", 0, 10000000,
     NULL, "tokens", "thinking is closed after so many; 0 = never", ESP_OPT_FIXED, false},
    {"think.force", ESP_OPT_STRING, offsetof (step_options, think_force), NULL, 0, 0, NULL, "",
     "what closes it then; unset: newline, think.close, empty line", ESP_OPT_FIXED, false},
    {"think.separator", ESP_OPT_STRINGS, THINK (separator), NULL, 0, 0, NULL, "",
     "as step.separator, inside the thinking; no own rule there: that of the answer", ESP_OPT_FIXED,
     false},
    {"think.every", ESP_OPT_INT, THINK (every), "1", 1, EVERY_MOST, NULL, "separators",
     "as step.every", ESP_OPT_FIXED, false},
    {"think.regex", ESP_OPT_STRING, THINK (regex), NULL, 0, 0, NULL, "", "as step.regex",
     ESP_OPT_FIXED, false},
    {"think.tokens", ESP_OPT_INT, THINK (tokens), "0", 0, TOKENS_MOST, NULL, "tokens",
     "as step.tokens", ESP_OPT_FIXED, false},
    {"think.whole", ESP_OPT_BOOL, THINK (whole), "false", 0, 0, NULL, "", "as step.whole",
     ESP_OPT_FIXED, false},
    {"think.min_chars", ESP_OPT_INT, THINK (min_chars), "0", 0, CHARS_MOST, NULL, "characters",
     "as step.min_chars", ESP_OPT_FIXED, false},
    ESP_OPTION_END,
};

/* ---- checks ---- */

/* Does the cut say where its steps end?  And does it say anything at all? */
static bool has_rule (const step_cut *c)
{
    return c->separator.count > 0 || c->regex || c->tokens > 0 || c->whole;
}

static bool says_something (const step_cut *c)
{
    return has_rule (c) || c->every > 1 || c->min_chars > 0;
}

static bool has_phases (const step_options *o)
{
    return o->think_open || o->think_close || o->think_force || o->think_opened ||
           o->think_max_tokens > 0 || says_something (&o->think);
}

static esp_err check_cut (const step_cut *c, const char *key, size_t most, esp_error *error)
{
    const char *with = c->separator.count > 0 ? "separator" : c->regex ? "regex" : "tokens";
    if (c->whole && (c->separator.count > 0 || c->regex || c->tokens > 0))
        return esp_error_set (error, ESP_EINVAL, "%s.whole: excludes %s.%s: leave one of them out",
                              key, key, with);
    if (c->regex && (c->separator.count > 0 || c->tokens > 0))
        return esp_error_set (error, ESP_EINVAL,
                              "%s.regex: excludes %s.%s: leave one of them out (a pattern can hold "
                              "separators: \"a|b\")",
                              key, key, c->separator.count > 0 ? "separator" : "tokens");
    if (c->every > 1 && has_rule (c) && c->separator.count == 0 && !c->regex)
        return esp_error_set (error, ESP_EINVAL,
                              "%s.every: counts separators, and there are none: set %s.separator",
                              key, key);
    if (c->separator.count > most)
        return esp_error_set (error, ESP_EINVAL,
                              "%s.separator: has %zu texts, a server takes %zu%s; or use %s.regex",
                              key, c->separator.count, most,
                              most < STEP_STOPS_MOST ? " beside the thinking's tag" : "", key);
    return ESP_OK;
}

/* A text as a person would write it, cut. */
static const char *shown (const char *text, char *out, size_t size)
{
    esp_buf json = {0};
    span cut = esp_utf8_cut (span_of (text), 40);
    snprintf (out, size, "%s",
              esp_buf_json_string (&json, cut) == ESP_OK ? esp_buf_text (&json) : "?");
    esp_buf_free (&json);
    return out;
}

static esp_err check_stop (const char *text, const char *key, const char *what, esp_error *error)
{
    size_t len = strlen (text);
    if (len > 0 && len <= STOP_BYTES_MOST && esp_utf8_valid (span_of (text)))
        return ESP_OK;
    return esp_error_set (error, ESP_EINVAL, "%s.%s: must be UTF-8 text of 1 to %d bytes", key,
                          what, STOP_BYTES_MOST);
}

/* No stop text of a phase inside another one. */
static esp_err check_stops (const step_phase *p, const char *key, esp_error *error)
{
    char longer[256], shorter[256];
    esp_err err = ESP_OK;
    for (size_t i = 0; i < p->separator_count && err == ESP_OK; i++)
        err = check_stop (p->stops[i], key, "separator", error);
    for (size_t i = 0; i < p->stop_count && err == ESP_OK; i++)
        for (size_t k = 0; k < p->stop_count; k++)
            if (i != k && strstr (p->stops[i], p->stops[k]))
                return esp_error_set (
                    error, ESP_EINVAL,
                    "%s.separator: %s holds %s, where the step would end already: leave one of "
                    "them out",
                    key, shown (p->stops[i], longer, sizeof (longer)),
                    shown (p->stops[k], shorter, sizeof (shorter)));
    return err;
}

static esp_err check_tags (const step_rule *r, esp_error *error)
{
    const char *open = r->tag[false], *close = r->tag[true];
    char text[256];
    esp_err err = check_stop (open, "step", "think.open", error);
    if (err == ESP_OK)
        err = check_stop (close, "step", "think.close", error);
    if (err != ESP_OK)
        return err;
    if (span_trim (span_of (open)).len != strlen (open) ||
        span_trim (span_of (close)).len != strlen (close))
        return esp_error_set (error, ESP_EINVAL,
                              "step.think.open: tags have no white space at their ends");
    if (strstr (open, close) || strstr (close, open))
        return esp_error_set (error, ESP_EINVAL,
                              "step.think.open: the two tags must differ, and none may stand "
                              "inside the other");
    if (span_count (span_of (r->force), span_of (close)) != 1 || strstr (r->force, open))
        return esp_error_set (error, ESP_EINVAL,
                              "step.think.force: must hold the closing tag %s once, and no "
                              "opening one",
                              shown (close, text, sizeof (text)));
    return ESP_OK;
}

/* ---- compiling ---- */

/* A copy in the rule's one block; `at` moves on. */
static const char *keep (char **at, const char *text)
{
    char *copy = *at;
    size_t len = strlen (text) + 1;
    memcpy (copy, text, len);
    *at += len;
    return copy;
}

static size_t texts_bytes (const step_options *o)
{
    size_t sum = 256; /* defaults, and every 0 */
    for (size_t i = 0; i < o->answer.separator.count; i++)
        sum += 2 * (strlen (o->answer.separator.items[i]) + 1); /* perhaps for both phases */
    for (size_t i = 0; i < o->think.separator.count; i++)
        sum += strlen (o->think.separator.items[i]) + 1;
    return sum + (o->think_open ? strlen (o->think_open) : 0) +
           (o->think_close ? 3 * strlen (o->think_close) : 0) +
           (o->think_force ? strlen (o->think_force) : 0);
}

static void keep_tags (step_rule *r, const step_options *o, char **at)
{
    const char *close = o->think_close ? o->think_close : "</think>";
    size_t len = strlen (close);
    char *force;
    if (!has_phases (o))
        return;
    r->tag[false] = keep (at, o->think_open ? o->think_open : "<think>");
    r->tag[true] = keep (at, close);
    if (o->think_force) {
        r->force = keep (at, o->think_force);
        return;
    }
    r->force = force = *at;
    *at += (size_t)snprintf (force, len + 4, "\n%s\n\n", close) + 1;
}

static esp_err compile_regex (step_phase *p, const step_cut *c, const char *key, esp_error *error)
{
    esp_error why = {0};
    esp_err err = step_regex_create (c->regex, &p->regex, &why);
    if (err == ESP_OK)
        return err;
    return esp_error_set (error, err, "%s.regex: %s", key, why.text);
}

static esp_err compile (step_rule *r, bool thinking, const step_cut *c, const char *key, char **at,
                        esp_error *error)
{
    step_phase *p = &r->phase[thinking];
    esp_err err;
    for (size_t i = 0; i < c->separator.count; i++)
        p->stops[p->separator_count++] = keep (at, c->separator.items[i]);
    if (!has_rule (c))
        p->stops[p->separator_count++] = keep (at, "\n\n");
    p->stop_count = p->separator_count;
    if (r->tag[thinking])
        p->stops[p->stop_count++] = r->tag[thinking];
    p->every = c->every > 1 ? (uint64_t)c->every : 1;
    p->tokens = (uint64_t)c->tokens;
    p->least = c->min_chars > 1 ? (uint64_t)c->min_chars : 1;
    if ((err = check_stops (p, key, error)) != ESP_OK)
        return err;
    return c->regex ? compile_regex (p, c, key, error) : ESP_OK;
}

static esp_err fill (step_rule *r, const step_options *o, esp_error *error)
{
    size_t most = has_phases (o) ? STEP_STOPS_MOST - 1 : STEP_STOPS_MOST;
    bool own = has_rule (&o->think);
    step_cut think = own ? o->think : o->answer;
    char *at;
    esp_err err = check_cut (&o->answer, "step", most, error);
    if (err == ESP_OK)
        err = check_cut (&o->think, "step.think", most, error);
    if (err != ESP_OK)
        return err;
    if (!own) {
        think.every = o->think.every > 1 ? o->think.every : think.every;
        think.min_chars = o->think.min_chars > 0 ? o->think.min_chars : think.min_chars;
    }
    if (!(at = r->texts = esp_malloc (texts_bytes (o))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    r->think_most = (uint64_t)o->think_max_tokens;
    r->opened = o->think_opened;
    keep_tags (r, o, &at);
    if (r->tag[false] && (err = check_tags (r, error)) != ESP_OK)
        return err;
    if ((err = compile (r, false, &o->answer, "step", &at, error)) != ESP_OK || !r->tag[false])
        return err;
    return compile (r, true, &think, own ? "step.think" : "step", &at, error);
}

esp_err step_rule_create (const step_options *o, step_rule **out, esp_error *error)
{
    step_rule *r;
    esp_err err;
    if (!o || !out)
        return ESP_EINVAL;
    if (!(r = esp_calloc (1, sizeof (*r))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    if ((err = fill (r, o, error)) != ESP_OK) {
        step_rule_destroy (r);
        return err;
    }
    *out = r;
    return ESP_OK;
}

void step_rule_destroy (step_rule *r)
{
    if (!r)
        return;
    step_regex_destroy (r->phase[false].regex);
    step_regex_destroy (r->phase[true].regex);
    esp_free (r->texts);
    esp_free (r);
}

bool step_rule_has_phases (const step_rule *r)
{
    return r->tag[false] != NULL;
}

bool step_rule_opened (const step_rule *r)
{
    return r->opened;
}

/* ---- plans ---- */

/* Tokens left until `most` of them, as a piece's limit. */
static uint32_t left (uint64_t most, uint64_t used)
{
    uint64_t rest = used < most ? most - used : 0;
    return rest < UINT32_MAX ? (uint32_t)rest : UINT32_MAX;
}

void step_rule_plan (const step_rule *r, const step_place *at, step_plan *out)
{
    bool thinking = at->thinking && r->tag[false];
    const step_phase *p = &r->phase[thinking];
    uint32_t budget = UINT32_MAX;
    *out = (step_plan){.stop = p->stops, .stop_count = p->stop_count, .most_tokens = UINT32_MAX};
    if (at->to_end) { /* only the tag matters, and only if something is counted */
        out->stop = p->stops + p->separator_count;
        out->stop_count = r->think_most > 0 ? p->stop_count - p->separator_count : 0;
    } else if (p->tokens > 0) {
        out->most_tokens = left (p->tokens, at->step_tokens % p->tokens);
        out->length_ends = true;
    }
    if (thinking && r->think_most > 0)
        budget = left (r->think_most, at->think_tokens);
    if (budget < out->most_tokens) {
        out->most_tokens = budget;
        out->length_ends = false;
    }
    out->force_close = budget == 0;
}

const char *step_rule_end (const step_rule *r)
{
    const step_phase *p = &r->phase[false];
    return p->separator_count == 1 ? p->stops[0] : "";
}

span step_rule_force (const step_rule *r)
{
    return span_of (r->force);
}
