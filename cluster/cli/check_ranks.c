/* SPDX-License-Identifier: Apache-2.0 */
/* check_ranks.c - see check_ranks.h
 *
 * Only the first rank that generates asks whether seeds repeat: many would disturb each other.  Ranks whose engines say the
 * same are told as one.
 */

#include "cluster/cli/check_ranks.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cluster/cli/run_workers.h"
#include "coordinator/dispatch/models.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"

enum { NAME_BYTES = 256, SAY_S = 10, WAIT_NS = 200000000, FLUSH_TRIES = 500 };

/* ---- a worker ---- */

static bool generates_first (const run_config *c, int rank)
{
    for (int before = 1; before < rank; before++)
        if (run_workers_serves (c, TASK_GENERATE, before))
            return false;
    return run_workers_serves (c, TASK_GENERATE, rank);
}

/* The problems file is there on this host too? */
static bool has_problems (const run_config *c, check_report *r)
{
    problem_source *source;
    esp_error error = {0};
    if (problem_source_open (&c->problems, NULL, NULL, NULL, &source, &error) == ESP_OK) {
        problem_source_close (source);
        return true;
    }
    check_mistake (r, error.text);
    return false;
}

static json_t *message_of (const link_end *end, const engine_check *e, const check_report *r)
{
    char host[NAME_BYTES] = "?";
    json_t *slots = json_array (), *chosen = json_loads (esp_buf_text (&e->models), 0, NULL);
    (void)gethostname (host, sizeof (host) - 1);
    for (int k = 0; k < TASK_KINDS; k++)
        json_array_append_new (slots, e->serves[k] ? json_integer (e->slots[k]) : json_null ());
    return json_pack ("{ss si ss ss ss so so* sI sI}", "host", host, "local", end->local_rank,
                      "table", esp_buf_text (&r->table), "warnings", esp_buf_text (&r->warnings),
                      "mistakes", esp_buf_text (&r->mistakes), "slots", slots, "models", chosen,
                      "longest", (json_int_t)e->told.longest, "context",
                      (json_int_t)e->told.context);
}

static void send_report (link_end *end, const engine_check *e, const check_report *r)
{
    json_t *message = message_of (end, e, r);
    char *text = message ? json_dumps (message, JSON_COMPACT) : NULL;
    json_decref (message);
    if (!text || link_send (end, 0, span_of (text)) != ESP_OK)
        esp_log (LOG_ERROR, "CHECK-SEND", "rank %d cannot tell rank 0 what it found", end->rank);
    free (text);
    for (int i = 0; i < FLUSH_TRIES && !link_flushed (end); i++) {
        link_event ignored;
        while (link_poll (end, &ignored) == ESP_OK)
            ;
        link_wait (end, WAIT_NS / 10, NULL, 0);
    }
}

void check_ranks_work (ranks *all, const run_config *c, check_report *r)
{
    lab_place at = {all->end->rank, all->end->local_rank};
    engine_check e = {.config = c, .at = &at};
    if (c) {
        e.problems = has_problems (c, r);
        e.generates = generates_first (c, at.rank);
        check_engines (&e, r);
    }
    send_report (all->end, &e, r);
    esp_buf_free (&e.models);
    check_report_free (r);
}

/* ---- rank 0 ---- */

static const char *text_at (const json_t *message, const char *key)
{
    const char *text = json_string_value (json_object_get (message, key));
    return text ? text : "";
}

/* "2, 3" */
static void who_is_missing (json_t *const *heard, int size, esp_buf *out)
{
    for (int rank = 1; rank < size; rank++)
        if (!heard[rank] && esp_buf_printf (out, "%s%d", out->len > 0 ? ", " : "", rank) != ESP_OK)
            return;
}

static void say_waiting (const ranks *all, json_t *const *heard)
{
    esp_buf missing = {0};
    who_is_missing (heard, all->end->size, &missing);
    esp_log (LOG_WARN, "CHECK-WAITS", "not heard of yet: rank %s (Ctrl-C ends the waiting)",
             esp_buf_text (&missing));
    esp_buf_free (&missing);
}

/* True: one more was heard of. */
static bool take (const link_event *came, json_t **heard)
{
    if (heard[came->rank])
        return false;
    if (came->kind == LINK_MESSAGE)
        heard[came->rank] = json_loadb (came->bytes.ptr, came->bytes.len, 0, NULL);
    if (!json_is_object (heard[came->rank])) {
        json_decref (heard[came->rank]);
        heard[came->rank] = json_pack ("{ss}", "mistakes", "this rank is gone\n");
    }
    return true;
}

static void hear_all (ranks *all, json_t **heard)
{
    uint64_t say_ns = esp_clock_ns (&all->clock) + (uint64_t)SAY_S * 1000000000;
    for (int left = all->end->size - 1; left > 0;) {
        link_event came;
        if (link_poll (all->end, &came) == ESP_OK) {
            left -= take (&came, heard);
            continue;
        }
        link_wait (all->end, WAIT_NS, NULL, 0);
        if (esp_clock_ns (&all->clock) < say_ns)
            continue;
        say_ns += (uint64_t)SAY_S * 1000000000;
        say_waiting (all, heard);
    }
}

static void say_row (int rank, const json_t *message, check_report *r)
{
    static const char *const work[TASK_KINDS] = {"generations", "scores", "verdicts"};
    const json_t *slots = json_object_get (message, "slots");
    bool any = false;
    check_print (r, "%6d  %-24s  %5d  ", rank, text_at (message, "host"),
                 (int)json_integer_value (json_object_get (message, "local")));
    for (int k = 0; k < TASK_KINDS; k++) {
        const json_t *count = json_array_get (slots, (size_t)k);
        if (!json_is_integer (count))
            continue;
        check_print (r, "%s%d %s", any ? ", " : "", (int)json_integer_value (count), work[k]);
        any = true;
    }
    check_print (r, "%s\n", any ? "" : "nothing");
}

/* The first rank whose engines say the same. */
static int like (json_t *const *heard, int rank)
{
    for (int before = 1; before < rank; before++)
        if (strcmp (text_at (heard[before], "table"), text_at (heard[rank], "table")) == 0)
            return before;
    return rank;
}

static void say_tables (json_t *const *heard, int size, check_report *r)
{
    for (int rank = 1; rank < size; rank++) {
        int before = like (heard, rank);
        check_print (r, before < rank ? "rank %d: as rank %d\n" : "rank %d:\n", rank, before);
        if (before == rank)
            check_show (r, text_at (heard[rank], "table"));
    }
}

static bool said_before (json_t *const *heard, int rank, const char *key, span line)
{
    for (int before = 1; before < rank; before++)
        if (span_find (span_of (text_at (heard[before], key)), line) <
            strlen (text_at (heard[before], key)))
            return true;
    return false;
}

/* Each line of warnings or mistakes once, with the first rank that has it. */
static void take_lines (json_t *const *heard, int rank, const char *key, check_report *r)
{
    static const char *const before[] = {"WARNING: ", "espalier: "};
    const char *text = text_at (heard[rank], key);
    while (*text) {
        size_t len = strcspn (text, "\n");
        span line = span_make (text, len);
        char named[1024];
        text += len + (text[len] == '\n');
        if (said_before (heard, rank, key, line))
            continue;
        for (size_t i = 0; i < 2; i++)
            if (span_starts (line, before[i]))
                line = span_make (line.ptr + strlen (before[i]), line.len - strlen (before[i]));
        snprintf (named, sizeof (named), "rank %d on %s: %.*s", rank, text_at (heard[rank], "host"),
                  (int)line.len, line.ptr);
        if (strcmp (key, "warnings") == 0)
            check_warn (r, "%s", named);
        else
            check_mistake (r, named);
    }
}

/* Ranks whose servers have different models, as a run would refuse them. */
static void compare_models (json_t *const *heard, int size, check_report *r)
{
    models *known;
    char why[MODELS_WHY];
    if (models_create (&known) != ESP_OK)
        return;
    for (int rank = 1; rank < size; rank++) {
        const json_t *list = json_object_get (heard[rank], "models"), *one;
        size_t i;
        json_array_foreach (list, i, one)
        {
            const char *text[3];
            json_int_t kind = json_integer_value (json_array_get (one, 0));
            for (size_t k = 0; k < 3; k++)
                text[k] = json_string_value (json_array_get (one, k + 1));
            wire_model model = {(uint8_t)kind, span_of (text[0]), span_of (text[1]),
                                span_of (text[2])};
            if (kind >= 0 && kind < TASK_KINDS && text[0] && text[1] && text[2] &&
                models_take (known, rank, &model, why) == ESP_EINVAL)
                check_mistake (r, why);
        }
    }
    models_destroy (known);
}

static void tell (json_t *const *heard, int size, check_prompt *told, check_report *r)
{
    check_print (r, "  rank  host                      local  at once\n");
    for (int rank = 1; rank < size; rank++)
        say_row (rank, heard[rank], r);
    say_tables (heard, size, r);
    compare_models (heard, size, r);
    for (int rank = 1; rank < size; rank++) {
        json_int_t longest = json_integer_value (json_object_get (heard[rank], "longest"));
        take_lines (heard, rank, "warnings", r);
        take_lines (heard, rank, "mistakes", r);
        if (longest > told->longest)
            *told = (check_prompt){
                (uint32_t)longest,
                (uint32_t)json_integer_value (json_object_get (heard[rank], "context"))};
    }
}

void check_ranks_gather (ranks *all, run_config *c, check_prompt *told, check_report *r)
{
    int size = all->end->size;
    json_t **heard = esp_calloc ((size_t)size, sizeof (*heard));
    esp_error error = {0};
    if (!heard) {
        check_mistake (r, esp_err_text (ESP_ENOMEM));
        return;
    }
    hear_all (all, heard);
    if (c && run_workers_fit (c, size, &error) != ESP_OK)
        check_mistakes (r, error.text);
    if (c)
        tell (heard, size, told, r);
    for (int rank = 1; rank < size; rank++)
        json_decref (heard[rank]);
    esp_free (heard);
}
