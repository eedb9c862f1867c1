/* SPDX-License-Identifier: Apache-2.0 */
/* golden.c - see golden.h */

#include "tests/conformance/golden.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    DEPTH_MOST = 1000,      /* lm.max_depth: scoring costs its square */
    CHOICES_MOST = 10000000 /* lm.vocab, lm.answers: fits the rules' int */
};

void outcome_fail (outcome *o, const char *format, ...)
{
    va_list args;
    if (o->failed)
        return;
    o->failed = true;
    va_start (args, format);
    vsnprintf (o->why, sizeof (o->why), format, args);
    va_end (args);
    esp_text_scrub (o->why);
}

void outcome_tolerate (outcome *o, const char *quirk_key)
{
    size_t used = strlen (o->tolerated);
    if (strstr (o->tolerated, quirk_key))
        return;
    snprintf (o->tolerated + used, sizeof (o->tolerated) - used, "%s%s", used ? ", " : "",
              quirk_key);
}

/* ---- fields ---- */

static const json_t *field (const json_t *object, const char *key)
{
    const json_t *value = json_object_get (object, key);
    return json_is_null (value) ? NULL : value;
}

bool golden_has (const json_t *object, const char *key)
{
    return field (object, key) != NULL;
}

int64_t golden_int (outcome *o, const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = field (object, key);
    if (!value)
        return fallback;
    if (!json_is_integer (value)) {
        outcome_fail (o, "malformed: %s is not a whole number", key);
        return fallback;
    }
    return json_integer_value (value);
}

double golden_number (outcome *o, const json_t *object, const char *key, double fallback)
{
    const json_t *value = field (object, key);
    if (!value)
        return fallback;
    if (!json_is_number (value)) {
        outcome_fail (o, "malformed: %s is not a number", key);
        return fallback;
    }
    return json_number_value (value);
}

bool golden_bool (outcome *o, const json_t *object, const char *key, bool fallback)
{
    const json_t *value = field (object, key);
    if (!value)
        return fallback;
    if (!json_is_boolean (value)) {
        outcome_fail (o, "malformed: %s is neither true nor false", key);
        return fallback;
    }
    return json_is_true (value);
}

const char *golden_text (outcome *o, const json_t *object, const char *key, const char *fallback)
{
    const json_t *value = field (object, key);
    if (!value)
        return fallback;
    if (!json_is_string (value)) {
        outcome_fail (o, "malformed: %s is not text", key);
        return fallback;
    }
    return json_string_value (value);
}

const json_t *golden_array (outcome *o, const json_t *object, const char *key)
{
    const json_t *value = field (object, key);
    if (value && !json_is_array (value)) {
        outcome_fail (o, "malformed: %s is not a list", key);
        return NULL;
    }
    return value;
}

const json_t *golden_object (outcome *o, const json_t *object, const char *key)
{
    const json_t *value = field (object, key);
    if (value && !json_is_object (value)) {
        outcome_fail (o, "malformed: %s is not an object", key);
        return NULL;
    }
    return value;
}

static void missing (outcome *o, const json_t *object, const char *key)
{
    if (!field (object, key))
        outcome_fail (o, "malformed: %s is missing", key);
}

int64_t golden_need_int (outcome *o, const json_t *object, const char *key)
{
    missing (o, object, key);
    return golden_int (o, object, key, 0);
}

const char *golden_need_text (outcome *o, const json_t *object, const char *key)
{
    missing (o, object, key);
    return golden_text (o, object, key, "");
}

const json_t *golden_need_array (outcome *o, const json_t *object, const char *key)
{
    missing (o, object, key);
    return golden_array (o, object, key);
}

const json_t *golden_entry (outcome *o, const json_t *list, size_t i)
{
    const json_t *one = json_array_get (list, i);
    if (!list || json_is_object (one))
        return one;
    outcome_fail (o, "malformed: entry %zu of a list is missing or no object", i);
    return NULL;
}

const json_t *golden_params (const golden_case *c, outcome *o)
{
    missing (o, c->body, "params");
    return golden_object (o, c->body, "params");
}

const json_t *golden_trace (const golden_case *c, outcome *o)
{
    return golden_need_array (o, c->body, "trace");
}

/* ---- quirks ---- */

bool golden_quirk (const golden_case *c, const char *key)
{
    const json_t *value = field (field (c->body, "peer_quirk"), key);
    return value && !json_is_false (value);
}

bool golden_quirk_at (const golden_case *c, const char *key, int64_t at)
{
    const json_t *list = field (field (c->body, "peer_quirk"), key);
    for (size_t i = 0; i < json_array_size (list); i++)
        if (json_is_integer (json_array_get (list, i)) &&
            json_integer_value (json_array_get (list, i)) == at)
            return true;
    return false;
}

/* ---- running ---- */

static int64_t within (outcome *o, const json_t *lm, const char *key, int64_t fallback,
                       int64_t least, int64_t most)
{
    int64_t value = golden_int (o, lm, key, fallback);
    if (value >= least && value <= most)
        return value;
    outcome_fail (o, "lm.%s is %lld; it must be in %lld to %lld", key, (long long)value,
                  (long long)least, (long long)most);
    return fallback;
}

fake_lm golden_lm (const golden_case *c, outcome *o)
{
    const json_t *lm = golden_object (o, c->body, "lm"),
                 *params = golden_object (o, c->body, "params"); /* tot_bfs has it there */
    fake_lm out = {.min_depth = within (o, lm, "min_depth", 2, 0, DEPTH_MOST),
                   .max_depth = within (o, lm, "max_depth", 6, 0, DEPTH_MOST),
                   .p_eos = golden_number (o, lm, "p_eos", 0.25),
                   .vocab = within (o, golden_has (lm, "vocab") ? lm : params, "vocab", 10000, 1,
                                    CHOICES_MOST),
                   .answers = within (o, lm, "answers", 5, 1, CHOICES_MOST)};
    const char *rule = golden_text (o, lm, "rule", "fakelm-1");
    if (strcmp (rule, "fakelm-1") != 0)
        outcome_fail (o, "lm.rule '%s' is not fakelm-1", rule);
    return out;
}

driver *
golden_search (const golden_case *c, outcome *o, const driver_hook *hook, const char *section, ...)
{
    char text[2000];
    esp_error error = {0};
    driver *d = NULL;
    driver_setup setup = {.section = text, .order = c->order, .seed = c->seed};
    va_list args;
    if (hook)
        setup.hook = *hook;
    setup.world = setup.hook.world;
    setup.world.question = golden_need_text (o, c->body, "question");
    setup.world.lm = golden_lm (c, o);
    va_start (args, section);
    int length = vsnprintf (text, sizeof (text), section, args);
    va_end (args);
    if (length < 0 || (size_t)length >= sizeof (text))
        outcome_fail (o, "params do not fit a run file of %zu bytes", sizeof (text));
    if (!o->failed && driver_run (&setup, &d, &error) != ESP_OK)
        outcome_fail (o, "%s", error.text);
    return d;
}
