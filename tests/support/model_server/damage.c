/* SPDX-License-Identifier: Apache-2.0 */
/* damage.c - see damage.h */

#include "tests/support/model_server/damage.h"
#include <string.h>

#define MARK_NAN  "@NaN@" /* with its quotes */
#define MARK_HALF "@1/2@" /* inside a string */

static const char *const lists[] = {"choices", "data", "results", "scores", NULL};
static const char *const scores[] = {
    "score",          "relevance_score",       "logprob", "probs", "data", "scores",
    "token_logprobs", "output_token_logprobs", NULL};
static const char *const logprobs[] = {"logprobs",
                                       "completion_probabilities",
                                       "output_token_logprobs",
                                       "output_top_logprobs",
                                       "input_token_ids_logprobs",
                                       "output_token_ids_logprobs",
                                       NULL};
static const char *const texts[] = {"text", "content", NULL};

static bool among (const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp (*names, name) == 0)
            return true;
    return false;
}

/* The list of answers: the array itself (SGLang, llama.cpp), or the member that holds it. */
static json_t *find_list (json_t *answer)
{
    json_t *list;
    if (json_is_array (answer))
        return answer;
    for (size_t i = 0; lists[i]; i++)
        if (json_is_array (list = json_object_get (answer, lists[i])))
            return list;
    return NULL;
}

static void change_list (json_t *list, enum fault_what what)
{
    size_t count = json_array_size (list);
    json_t *last = json_deep_copy (json_array_get (list, count - 1)), *item;
    if (what == FAULT_TOO_FEW && count > 0)
        (void)json_array_remove (list, count - 1);
    if (what == FAULT_TOO_MANY && last) {
        if (json_object_get (last, "index"))
            (void)json_object_set_new (last, "index", json_integer ((json_int_t)count));
        (void)json_array_append (list, last);
    }
    json_decref (last);
    for (size_t i = 0; what == FAULT_TWICE && i < count; i++)
        if (json_object_get (json_array_get (list, i), "index"))
            (void)json_object_set_new (json_array_get (list, i), "index", json_integer (0));
    for (size_t i = 0; what == FAULT_ORDER && i + 1 < count; i++) {
        item = json_incref (json_array_get (list, count - 1));
        (void)json_array_remove (list, count - 1);
        (void)json_array_insert_new (list, i, item);
    }
}

static json_t *wrong_number (enum fault_what what, bool logprob)
{
    return what == FAULT_NAN ? json_string (MARK_NAN) : json_real (logprob ? 3.0 : 1.5);
}

static json_t *all_wrong (json_t *value, enum fault_what what, bool logprob)
{
    json_t *list;
    if (json_is_real (value))
        return wrong_number (what, logprob);
    if (!json_is_array (value))
        return json_incref (value);
    list = json_array ();
    for (size_t i = 0; i < json_array_size (value); i++)
        (void)json_array_append_new (list, all_wrong (json_array_get (value, i), what, logprob));
    return list;
}

static json_t *half_text (json_t *value, enum fault_what what)
{
    return json_sprintf ("%s%s", json_string_value (value),
                         what == FAULT_CUT_UTF8 ? MARK_HALF : "\xef\xbf\xbd");
}

/* How a sample ends that the server gave up: vLLM and OpenAI; SGLang; llama.cpp. */
static json_t *aborted (const char *name, const json_t *value)
{
    if (strcmp (name, "finish_reason") == 0 && json_is_object (value))
        return json_pack ("{s:s, s:s, s:n, s:n}", "type", "abort", "message", "gone", "status_code",
                          "err_type");
    if (strcmp (name, "finish_reason") == 0 && json_is_string (value))
        return json_string ("abort");
    return strcmp (name, "stop_type") == 0 && strcmp (json_string_value (value), "none") != 0
               ? json_string ("none")
               : NULL;
}

/* The new value of a member, or NULL: it stays. */
static json_t *changed (const char *name, json_t *value, enum fault_what what)
{
    if (what == FAULT_ABORT)
        return aborted (name, value);
    bool numbers = json_is_real (value) ||
                   (json_is_array (value) && !json_is_object (json_array_get (value, 0)));
    if ((what == FAULT_NAN || what == FAULT_OUT_OF_RANGE) && among (scores, name) && numbers)
        return all_wrong (value, what, strstr (name, "logprob") != NULL);
    if (what == FAULT_NO_LOGPROBS && among (logprobs, name))
        return json_null ();
    if (what == FAULT_ROWS_MISSING && strcmp (name, "data") == 0 && numbers)
        return json_array ();
    if ((what == FAULT_CUT_UTF8 || what == FAULT_CUT_CHARACTER) && among (texts, name) &&
        json_is_string (value))
        return half_text (value, what);
    return NULL;
}

/* Recursion ends with the depth of our own answers. */
static void change_members (json_t *value, enum fault_what what)
{
    const char *name;
    json_t *member, *other;
    void *next;
    for (size_t i = 0; i < json_array_size (value); i++)
        change_members (json_array_get (value, i), what);
    json_object_foreach_safe (value, next, name, member)
    {
        if ((other = changed (name, member, what)))
            (void)json_object_set_new (value, name, other);
        else
            change_members (member, what);
    }
}

/* Instead of the answer; of a list, of its first member. */
static void become_error (json_t *answer)
{
    json_t *error = json_pack ("{s:{s:s, s:s, s:n, s:i}}", "error", "message",
                               "EngineCore encountered an issue. See stack trace (above) for the "
                               "root cause.",
                               "type", "InternalServerError", "param", "code", 500);
    if (json_is_array (answer)) {
        (void)json_array_set_new (answer, 0, error);
        return;
    }
    (void)json_object_clear (answer);
    (void)json_object_update (answer, error);
    json_decref (error);
}

void damage_json (json_t *answer, const fault *f)
{
    json_t *list = find_list (answer);
    if (f->stage != FAULT_JSON)
        return;
    if (f->what == FAULT_ERROR_INSIDE) {
        become_error (answer);
        return;
    }
    if (list)
        change_list (list, f->what);
    change_members (answer, f->what);
}

static void replace (char *text, size_t *len, const char *from, const char *to)
{
    size_t cut = strlen (from), put = strlen (to); /* put <= cut */
    for (char *at = text; (at = strstr (at, from)); at += put) {
        memmove (at + put, at + cut, *len - (size_t)(at - text) - cut + 1);
        memcpy (at, to, put);
        *len -= cut - put;
    }
}

void damage_text (char *text, size_t *len)
{
    replace (text, len, "\"" MARK_NAN "\"", "NaN");
    replace (text, len, MARK_HALF, "\xe2\x86");
}
