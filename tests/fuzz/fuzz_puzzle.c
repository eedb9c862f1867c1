/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_puzzle.c - any bytes as a puzzle and a chain of steps: no crash, and whatever passes is true
 *
 * First line: the problem; the rest: the branch.  A pass is checked by evaluating the answer, which must be
 * the target up to rounding and hold as many numbers as the problem.
 */

// LINK: esp_engine_table

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include "proto/base/alloc.h"
#include "worker/engine/engine.h"
#include "worker/engine/puzzle.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

struct reader {
    const char *at;
    size_t numbers;
    double largest;
};

static double read_sum (struct reader *r);

static double read_operand (struct reader *r)
{
    char *end;
    double value;
    if (*r->at == '(') {
        r->at++;
        value = read_sum (r);
        assert (*r->at == ')');
        r->at++;
        return value;
    }
    value = strtod (r->at, &end);
    assert (end > r->at);
    r->at = end;
    r->numbers++;
    r->largest = fmax (r->largest, fabs (value));
    return value;
}

static double read_product (struct reader *r)
{
    double value = read_operand (r);
    while (*r->at == '*' || *r->at == '/') {
        if (*r->at++ == '*')
            value *= read_operand (r);
        else
            value /= read_operand (r);
    }
    return value;
}

static double read_sum (struct reader *r)
{
    double value = read_product (r);
    while (*r->at == '+' || *r->at == '-')
        value += *r->at++ == '+' ? read_product (r) : -read_product (r);
    return value;
}

static void check_pass (span json, span answer)
{
    puzzle *p = NULL;
    esp_buf text = {0};
    struct reader r = {.numbers = 0};
    double value, target;
    esp_err err = puzzle_create (json, &p, NULL);
    assert (err == ESP_OK);
    err = esp_buf_add (&text, answer);
    assert (err == ESP_OK);
    r.at = esp_buf_text (&text);
    value = read_sum (&r);
    target = puzzle_target (p);
    assert (*r.at == 0 && r.numbers == puzzle_left (p));
    /* larger numbers may cancel, which doubles cannot tell */
    assert (r.largest > 100 || fabs (value - target) < 1e-3 * fmax (1, fabs (target)));
    esp_buf_free (&text);
    puzzle_destroy (p);
}

static void done (void *ctx, const job *j, const result *r)
{
    unsigned *calls = ctx;
    (*calls)++;
    assert (r->error == ESP_OK);
    assert (r->verdict == VERDICT_PASS || r->verdict == VERDICT_FAIL ||
            r->verdict == VERDICT_UNKNOWN);
    assert (r->reason.len > 0);
    if (r->verdict == VERDICT_PASS)
        check_pass (j->problem, r->answer);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    const engine_kind *kind = engine_find ("puzzle", ENGINE_VERIFIER);
    span all = span_make ((const char *)data, size), text;
    size_t line = size ? span_find (all, span_of ("\n")) : 0, next = line < size ? line + 1 : size;
    unsigned calls = 0;
    engine_setup setup = {.done = done, .ctx = &calls};
    job j = {
        .task.kind = TASK_VERIFY, .problem = span_make ((const char *)data, line), .steps = &text};
    const job *jobs[] = {&j};
    void *state = NULL;
    text = span_make ((const char *)data + next, size - next);
    j.step_count = 1;
    if (kind->open (&setup, &state, NULL) != ESP_OK)
        abort ();
    kind->start (state, jobs, 1);
    kind->close (state);
    assert (calls == 1 && esp_alloc_live () == 0);
    return 0;
}
