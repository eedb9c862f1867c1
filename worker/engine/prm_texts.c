/* SPDX-License-Identifier: Apache-2.0 */
/* prm_texts.c - from a job to the texts a PRM reads
 *
 * A node's text is cut by the run's step rule, then by the layout's own separator (what the PRM was trained on): a node of 512
 * tokens has several steps for the PRM.  Scores asked for are those of the node's own steps, then those of task.extra: the search
 * has the earlier ones.  A node that is only white space, and the root, count as one empty step.
 *
 * A thinking that the PRM is not to see (prm.view) leaves a node without steps: it gets 0.5, nobody is asked.
 */

#include "worker/engine/prm_inner.h"
#include <jansson.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/hash.h"
#include "worker/engine/fields.h"
#include "worker/engine/phases.h"

enum {
    TEXT_BYTES_MOST = 16000000 /* of one job: a text per step makes them grow with the square */
};
static const double unseen_score = 0.5;

void prm_item_free (prm_item *item)
{
    if (!item)
        return;
    esp_free (item->scores);
    esp_free (item->readings);
    esp_buf_free (&item->bytes);
    esp_free (item);
}

/* ---- the question ---- */

static const json_t *last_user (const json_t *messages)
{
    for (size_t i = json_array_size (messages); i > 0; i--) {
        const json_t *m = json_array_get (messages, i - 1), *text = json_object_get (m, "content");
        const char *role = json_string_value (json_object_get (m, "role"));
        if (role && strcmp (role, "user") == 0 && json_is_string (text))
            return text;
    }
    return NULL;
}

/* The question as it stands: a PRM was not trained on the generator's prompt around it. */
static esp_err question_of (span row, esp_buf *out)
{
    json_t *root = json_loadb (row.ptr ? row.ptr : "", row.len, JSON_ALLOW_NUL, NULL);
    const json_t *text = last_user (json_object_get (root, "messages"));
    esp_err err;
    esp_buf_clear (out);
    if (text && !json_object_get (root, "question") && !json_object_get (root, "problem"))
        err = esp_buf_append (out, json_string_value (text), json_string_length (text));
    else
        err = fields_question (row, out);
    json_decref (root);
    return err;
}

/* Siblings come together: what they share is read once. */
static esp_err know_problem (prm *p, const job *j)
{
    esp_err err;
    if (p->known && p->known_key == j->task.id.problem)
        return ESP_OK;
    p->known = false;
    if ((err = question_of (j->problem, &p->question)) == ESP_OK)
        err = phases_begin (&p->setup, j->problem, &p->begins_thinking);
    p->known = err == ESP_OK;
    p->known_key = j->task.id.problem;
    return err;
}

/* ---- steps ---- */

static esp_err add_piece (prm *p, span piece)
{
    if (p->piece_count >= LAYOUT_STEPS_MOST)
        return ESP_ETOOBIG;
    if (esp_grow (&p->pieces, &p->pieces_cap, p->piece_count + 1, sizeof (*p->pieces)) != 0)
        return ESP_ENOMEM;
    p->pieces[p->piece_count++] = piece;
    return ESP_OK;
}

/* Append the PRM's steps of one of the run's. */
static esp_err split_step (prm *p, span shown)
{
    span piece;
    esp_err err = ESP_OK;
    while (err == ESP_OK && layout_next_step (p->plan.split, &shown, &piece))
        err = add_piece (p, piece);
    return err;
}

/* Append the steps of a text, as far as the PRM is to see them (prm.view).  p->shown has room for all of it. */
static esp_err add_steps (prm *p, span text, bool *thinking)
{
    const step_rule *rule = p->setup.step;
    span rest = text, step;
    bool begins = *thinking;
    esp_err err = ESP_OK;
    if (!rule)
        return split_step (p, text);
    while (err == ESP_OK && step_rule_next (rule, thinking, &rest, &step)) {
        size_t from = p->shown.len;
        err = step_rule_show (rule, (enum step_view)p->setup.view, &begins, step, &p->shown);
        if (err == ESP_OK)
            err = split_step (p, span_make (p->shown.data + from, p->shown.len - from));
        begins = *thinking;
    }
    return err;
}

/* Steps of the whole job into p->pieces; *own and *extra: how many of the last belong to the node and to task.extra. */
static esp_err cut_job (prm *p, const job *j, size_t *own, size_t *extra)
{
    bool thinking = p->begins_thinking;
    size_t before = 0, bytes = j->task.extra.len;
    esp_err err;
    p->piece_count = 0;
    esp_buf_clear (&p->shown);
    for (size_t i = 0; i < j->step_count; i++)
        bytes += j->steps[i].len;
    err = esp_buf_reserve (&p->shown, bytes + 1); /* pieces point into it: it must not move */
    for (size_t i = 0; err == ESP_OK && i < j->step_count; i++) {
        before = p->piece_count;
        err = add_steps (p, j->steps[i], &thinking);
    }
    *own = p->piece_count - before;
    before = p->piece_count;
    if (err == ESP_OK)
        err = add_steps (p, j->task.extra, &thinking);
    *extra = p->piece_count - before;
    return err;
}

/* ---- texts ---- */

esp_err prm_text_of (const prm *p, span question, const span *steps, size_t count, esp_buf *out)
{
    layout_path path = {question, steps, count};
    esp_err err = ESP_OK;
    if (!p->serving->adds_bos)
        err = esp_buf_puts (out, p->plan.bos);
    return err == ESP_OK ? p->plan.row->write (&p->plan, &path, out) : err;
}

/* One more text: of the first `upto` steps, for the scores from `first` on. */
static esp_err add_text (prm *p, prm_item *item, size_t upto, size_t first, size_t want)
{
    prm_reading *r = &item->readings[item->count];
    size_t from = item->bytes.len;
    esp_err err = prm_text_of (p, esp_buf_span (&p->question), p->pieces, upto, &item->bytes);
    if (err != ESP_OK)
        return err;
    if (item->bytes.len > TEXT_BYTES_MOST)
        return ESP_ETOOBIG;
    r->item = item;
    r->text = (prm_text){.text = {NULL, item->bytes.len - from}, /* ptr: when the buffer rests */
                         .rows = (uint32_t)upto,
                         .want = (uint32_t)want,
                         .scores = item->scores + first};
    item->count++;
    return ESP_OK;
}

static esp_err add_texts (prm *p, prm_item *item)
{
    size_t all = p->piece_count, want = item->score_count;
    bool each = p->plan.reading == READ_NEXT || p->plan.reading == READ_LAST;
    esp_err err = ESP_OK;
    if (p->plan.reading == READ_WHOLE) { /* the node, and with what follows it */
        if (item->score_own > 0)
            err = add_text (p, item, all - (want - item->score_own), 0, 1);
        if (err == ESP_OK && want > item->score_own)
            err = add_text (p, item, all, item->score_own > 0 ? 1 : 0, 1);
        item->score_own = item->score_own > 0 ? 1 : 0;
        item->score_count = (uint32_t)item->count;
    } else if (each) {
        for (size_t i = 0; err == ESP_OK && i < want; i++)
            err = add_text (p, item, all - want + i + 1, i, 1);
    } else {
        err = add_text (p, item, all, 0, want);
    }
    return err;
}

static void place_texts (prm_item *item)
{
    const char *at = item->bytes.data;
    for (size_t i = 0; i < item->count; i++) {
        item->readings[i].text.text.ptr = at;
        at += item->readings[i].text.text.len;
    }
}

/* Nothing to show the PRM though there is text: the thinking is hidden from it. */
static bool is_hidden (const job *j)
{
    span last = j->step_count > 0 ? j->steps[j->step_count - 1] : span_make (NULL, 0);
    return span_trim (last).len > 0 || span_trim (j->task.extra).len > 0;
}

esp_err prm_item_fill (prm *p, prm_item *item, const job *j)
{
    size_t own, extra;
    esp_err err = know_problem (p, j);
    if (err == ESP_OK)
        err = cut_job (p, j, &own, &extra);
    if (err == ESP_OK && own + extra == 0) {
        item->settled = is_hidden (j);
        err = add_piece (p, span_make ("", 0));
        own = 1;
    }
    if (err != ESP_OK)
        return err;
    item->job = j;
    item->problem = j->task.id.problem;
    item->seed =
        (uint32_t)(esp_hash_mix (
                       esp_hash_mix (esp_hash_mix (p->setup.run_seed, item->problem), j->task.node),
                       j->task.reading) &
                   0x7FFFFFFF);
    item->score_own = (uint32_t)own;
    item->score_count = (uint32_t)(own + extra);
    if (!(item->scores = esp_calloc (own + extra, sizeof (*item->scores))) ||
        !(item->readings = esp_calloc (own + extra, sizeof (*item->readings))))
        return ESP_ENOMEM;
    if (item->settled) {
        item->scores[0] = unseen_score;
        return ESP_OK;
    }
    if ((err = add_texts (p, item)) == ESP_OK)
        place_texts (item);
    return err;
}

/* ---- what a request says ---- */

prm_ask prm_ask_for (const prm *p, server *s, const prm_text *texts, size_t count, uint32_t seed)
{
    const prm_known *known = server_data (s);
    const char *model = server_facts_of (s)->model;
    return (prm_ask){.options = p->options,
                     .plan = &p->plan,
                     .labels = &known->labels,
                     .model = model[0] ? model : NULL,
                     .add_special = !p->plan.bos[0] && strcmp (p->plan.chat->name, "raw") == 0,
                     .seed = seed,
                     .texts = texts,
                     .count = count};
}
