/* SPDX-License-Identifier: Apache-2.0 */
/* answer_pairs.c - what proto/answer says of pairs of answers
 *
 *     answer_pairs < PAIRS.jsonl
 *
 * Each line in is {"gold": TEXT, "answer": TEXT}, each line out {"match": "same|other|unknown|none", "gold": FORM, "answer": FORM,
 * "understood": both are}; "none": one of them is no answer.  Exit status 2: a line is not such an object.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "proto/answer/answer.h"

static const char *const match_names[] = {
    [ANSWER_SAME] = "same", [ANSWER_OTHER] = "other", [ANSWER_UNKNOWN] = "unknown"};

static answer_form *form_of (const json_t *row, const char *key)
{
    const json_t *text = json_object_get (row, key);
    answer_form *form = NULL;
    if (!json_is_string (text) ||
        answer_form_create (span_make (json_string_value (text), json_string_length (text)),
                            &form) != ESP_OK)
        return NULL;
    return form;
}

static void set_text (json_t *out, const char *key, const answer_form *form)
{
    span text = form ? answer_form_text (form) : span_make ("", 0);
    json_t *value = json_stringn (text.ptr, text.len); /* NULL: not UTF-8 */
    json_object_set_new (out, key, value ? value : json_null ());
}

static void answer_line (const json_t *row)
{
    answer_form *gold = form_of (row, "gold"), *answer = form_of (row, "answer");
    enum answer_match match = ANSWER_UNKNOWN;
    bool both = gold && answer && answer_form_compare (answer, gold, &match) == ESP_OK;
    json_t *out = json_object ();
    json_object_set_new (out, "match", json_string (both ? match_names[match] : "none"));
    set_text (out, "gold", gold);
    set_text (out, "answer", answer);
    json_object_set_new (
        out, "understood",
        json_boolean (both && answer_form_understood (gold) && answer_form_understood (answer)));
    json_dumpf (out, stdout, JSON_COMPACT);
    putchar ('\n');
    json_decref (out);
    answer_form_destroy (gold);
    answer_form_destroy (answer);
}

int main (void)
{
    char *line = NULL;
    size_t size = 0;
    int status = EXIT_SUCCESS;
    while (status == EXIT_SUCCESS && getline (&line, &size, stdin) > 0) {
        json_t *row = json_loads (line, 0, NULL);
        if (!json_is_object (row)) {
            fputs ("answer_pairs: a line is not a JSON object\n", stderr);
            status = 2;
        } else {
            answer_line (row);
        }
        json_decref (row);
    }
    free (line);
    return status;
}
