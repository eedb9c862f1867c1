/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_embedded.c - the embedded generator and PRM, and the models behind them */

// LINK: esp_engine_table esp_config

#include <math.h>
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"
#include "tests/unit/worker/engine_kit.h"
#include "worker/engine/embedded_model.h"

static const char game[] = "{\"numbers\": [4, 9, 10, 13], \"target\": 24}";
static const char solution[] =
    "13 - 9 = 4 (left: 4 4 10)\n10 - 4 = 6 (left: 4 6)\n4 * 6 = 24 (left: 24)\n";

static task generate (uint8_t mode, uint32_t seed, double temperature)
{
    return (task){.id = {7, 3},
                  .kind = TASK_GENERATE,
                  .mode = mode,
                  .seed = seed,
                  .how.temperature = temperature};
}

static void an_incomplete_setup_is_refused (void)
{
    const engine_kind *kind = engine_find ("embedded", ENGINE_GENERATOR);
    esp_error error = {0};
    void *state = NULL;
    FAILS (kind->open (NULL, &state, &error), ESP_EINVAL);
    FAILS (kind->open (&(engine_setup){0}, &state, &error), ESP_EINVAL);
    kind->close (NULL);
    CHECK (state == NULL && error.text[0]);
}

static void a_step_is_one_legal_operation (void)
{
    struct kit k;
    PASS (kit_open (&k, "embedded", ENGINE_GENERATOR, NULL, NULL));
    for (uint32_t seed = 0; seed < 200; seed++) {
        puzzle *p = NULL;
        PASS (puzzle_create (span_of (game), &p, NULL));
        kit_do (&k, generate (TASK_STEP, seed, 1), game, "");
        CHECK (k.r.error == ESP_OK && k.r.steps == 1 && k.r.finish == FINISH_STOP &&
               k.r.tokens == 9);
        CHECK (puzzle_read (p, span_make (k.text, strlen (k.text) - 1)) == PUZZLE_FINE);
        CHECK (k.r.logprob < 0 && k.r.mean_logprob == k.r.logprob / 9);
        puzzle_destroy (p);
    }
    kit_close (&k);
}

static void the_same_job_gives_the_same_text (void)
{
    static char first[KIT_TEXT];
    struct kit k;
    unsigned others = 0;
    PASS (kit_open (&k, "embedded", ENGINE_GENERATOR, NULL, NULL));
    kit_do (&k, generate (TASK_TO_END, 5, 1), game, "");
    strcpy (first, k.text);
    for (uint32_t seed = 0; seed < 20; seed++) {
        kit_do (&k, generate (TASK_TO_END, seed, 1), game, "");
        others += strcmp (k.text, first) != 0;
        kit_do (&k, generate (TASK_TO_END, 5, 1), game, "");
        CU_ASSERT_STRING_EQUAL (k.text, first);
    }
    CHECK (others > 10);
    kit_close (&k);
}

static void temperature_0_is_greedy (void)
{
    static char greedy[KIT_TEXT];
    struct kit k;
    task t = generate (TASK_TO_END, 1, 0);
    PASS (kit_open (&k, "embedded", ENGINE_GENERATOR, NULL, NULL));
    kit_do (&k, t, game, "");
    strcpy (greedy, k.text);
    t.seed = 2;
    kit_do (&k, t, game, "");
    CU_ASSERT_STRING_EQUAL (k.text, greedy);
    t.how = (sampling){.temperature = 1, .top_k = 1};
    kit_do (&k, t, game, "");
    CU_ASSERT_STRING_EQUAL (k.text, greedy);
    t.how = (sampling){.temperature = 1, .top_p = 1e-9};
    kit_do (&k, t, game, "");
    CU_ASSERT_STRING_EQUAL (k.text, greedy);
    t.how = (sampling){.temperature = 1e-300}; /* may take another of equal moves */
    kit_do (&k, t, game, "");
    CHECK (k.r.error == ESP_OK && k.r.steps == 3);
    kit_close (&k);
}

/* Text and logprob of every first move, and how often 20,000 draws gave it. */
static void draws_follow_the_policy (void)
{
    enum { DRAWS = 20000 };
    static struct kit k;
    puzzle_move moves[PUZZLE_MOST_MOVES];
    double logits[PUZZLE_MOST_MOVES], sum = 0, seen = 0;
    puzzle *p = NULL;
    size_t count, best = 0;
    esp_buf text = {0};
    PASS (puzzle_create (span_of (game), &p, NULL));
    count = embedded_policy_logits (p, moves, logits);
    CU_ASSERT_EQUAL (count, 36);
    for (size_t i = 0; i < count; i++) {
        sum += exp (logits[i]);
        best = logits[i] > logits[best] ? i : best;
    }
    PASS (puzzle_play (p, &moves[best], &text));
    PASS (kit_open (&k, "embedded", ENGINE_GENERATOR, NULL, NULL));
    for (uint32_t seed = 0; seed < DRAWS; seed++) {
        kit_do (&k, generate (TASK_STEP, seed, 1), game, "");
        if (strcmp (k.text, text.data) == 0) {
            seen++;
            CU_ASSERT_DOUBLE_EQUAL (k.r.logprob, logits[best] - log (sum), 1e-12);
        }
    }
    CU_ASSERT_DOUBLE_EQUAL (seen / DRAWS, exp (logits[best]) / sum, 0.02);
    kit_close (&k);
    esp_buf_free (&text);
    puzzle_destroy (p);
}

static void the_last_operation_ends_the_sequence (void)
{
    struct kit k;
    PASS (kit_open (&k, "embedded", ENGINE_GENERATOR, NULL, NULL));
    kit_do (&k, generate (TASK_STEP, 1, 1), game,
            "13 - 9 = 4 (left: 4 4 10)\n10 - 4 = 6 (left: 4 6)\n");
    CHECK (k.r.finish == FINISH_EOS && k.r.steps == 1);
    kit_do (&k, generate (TASK_STEP, 1, 1), game, solution);
    CHECK (k.r.finish == FINISH_EOS && k.r.text.len == 0 && k.r.tokens == 0);
    kit_do (&k, generate (TASK_TO_END, 1, 1), game, "");
    CHECK (k.r.finish == FINISH_EOS && k.r.steps == 3 && k.r.tokens == 9 + 8 + 7);
    kit_do (&k, generate (TASK_DRAFT, 1, 1), game, solution);
    CHECK (k.r.finish == FINISH_EOS && k.r.steps == 3);
    kit_close (&k);
}

static void caps_truncate (void)
{
    struct kit k;
    task t = generate (TASK_TO_END, 1, 1);
    PASS (kit_open (&k, "embedded", ENGINE_GENERATOR, NULL, NULL));
    t.max_steps = 2;
    kit_do (&k, t, game, "");
    CHECK (k.r.finish == FINISH_LENGTH && k.r.steps == 2 && k.r.tokens == 9 + 8);
    t.max_steps = 3;
    kit_do (&k, t, game, "");
    CHECK (k.r.finish == FINISH_EOS);
    t.max_tokens = 10;
    kit_do (&k, t, game, "");
    CHECK (k.r.finish == FINISH_LENGTH && k.r.steps == 2 && k.r.tokens == 10);
    t.max_tokens = 24;
    kit_do (&k, t, game, "");
    CHECK (k.r.finish == FINISH_EOS && k.r.tokens == 24);
    kit_close (&k);
}

static void a_broken_branch_cannot_be_continued (void)
{
    struct kit k;
    task t = generate (TASK_STEP, 1, 1);
    PASS (kit_open (&k, "embedded", ENGINE_GENERATOR, NULL, NULL));
    kit_do (&k, t, game, "13 - 9 = 5 (left: 4 5 10)\n");
    CHECK (k.r.error == ESP_EFORMAT && k.r.finish == FINISH_ERROR);
    t.extra = span_of ("nonsense");
    kit_do (&k, t, game, "13 - 9 = 4 (left: 4 4 10)\n");
    CHECK (k.r.error == ESP_EFORMAT);
    t.extra = span_of ("10 - 4 = 6 (left: 4 6)\n");
    kit_do (&k, t, game, "13 - 9 = 4 (left: 4 4 10)\n");
    CHECK (k.r.error == ESP_OK && k.r.finish == FINISH_EOS);
    kit_do (&k, generate (TASK_STEP, 1, 1), "{\"question\": \"why?\"}", "");
    CHECK (k.r.error == ESP_EFORMAT);
    kit_do (&k, (task){.kind = TASK_VERIFY}, game, "");
    CHECK (k.r.error == ESP_EUNSUPPORTED);
    kit_close (&k);
}

static void scores_know_the_end_and_guess_before_it (void)
{
    struct kit k;
    const task score = {.kind = TASK_SCORE};
    PASS (kit_open (&k, "embedded", ENGINE_PRM, NULL, NULL));
    kit_do (&k, score, game, solution);
    CHECK (k.r.score_count == 3 && k.r.score_own == 3 && k.scores[2] == 0.999);
    CHECK (k.scores[0] > 0.001 && k.scores[0] < 0.999 && k.scores[1] > 0.1);
    kit_do (&k, score, game,
            "13 - 9 = 4 (left: 4 4 10)\n10 - 4 = 6 (left: 4 6)\n4 + 6 = 10 (left: 10)\n");
    CHECK (k.scores[2] == 0.001);
    kit_do (&k, score, game,
            "13 - 9 = 4 (left: 4 4 10)\n10 - 4 = 7 (left: 4 7)\n\n4 + 7 = 11 (left: 11)\n");
    CHECK (k.r.score_count == 3 && k.scores[0] > 0.001 && k.scores[1] == 0.001 &&
           k.scores[2] == 0.001);
    kit_do (&k, score, game, "");
    CHECK (k.r.error == ESP_OK && k.r.score_count == 0);
    kit_close (&k);
}

static void only_the_judged_node_and_the_lookahead_are_scored (void)
{
    struct kit k;
    const span steps[] = {span_of ("13 - 9 = 4 (left: 4 4 10)\n"),
                          span_of ("10 - 4 = 6 (left: 4 6)\n")};
    job j = {
        .task = {.kind = TASK_SCORE}, .problem = span_of (game), .steps = steps, .step_count = 2};
    const job *jobs[] = {&j};
    PASS (kit_open (&k, "embedded", ENGINE_PRM, NULL, NULL));
    j.task.extra = span_of ("4 * 6 = 24 (left: 24)\n");
    k.kind->start (k.state, jobs, 1);
    CHECK (k.r.score_count == 2 && k.r.score_own == 1 && k.scores[1] == 0.999 &&
           k.r.scored_tokens == 9 + 8 + 7);
    kit_close (&k);
}

/* A hopeful, a hopeless and a few odd states; six numbers left are never judged. */
static void values_are_sensible (void)
{
    static const struct {
        const char *json;
        double low, high;
    } rows[] = {{"{\"numbers\": [1, 3, 8], \"target\": 24}", 0.3, 0.999},
                {"{\"numbers\": [13, 13, 13], \"target\": 24}", 0.001, 0.3},
                {"{\"numbers\": [1, 2, 3, 4, 5, 6], \"target\": 24}", 0.5, 0.5},
                {"{\"numbers\": [0, 0, 0], \"target\": 0}", 0.001, 0.999},
                {"{\"numbers\": [-5, 999999999, 1], \"target\": \"1/3\"}", 0.001, 0.999}};
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        puzzle *p = NULL;
        double value;
        PASS (puzzle_create (span_of (rows[i].json), &p, NULL));
        value = embedded_value_of (p);
        CHECK (value >= rows[i].low && value <= rows[i].high);
        puzzle_destroy (p);
    }
}

static double score_of (struct kit *k, const char *yaml)
{
    double value;
    PASS (kit_open (k, "embedded", ENGINE_PRM, yaml, NULL));
    kit_do (k, (task){.kind = TASK_SCORE}, game, "13 - 9 = 4 (left: 4 4 10)\n");
    value = k->scores[0];
    kit_close (k);
    return value;
}

static void the_model_is_an_option_and_so_are_its_weights (void)
{
    static const char json[] =
        "{\"format\": \"espalier puzzle values\", \"version\": 1, \"networks\": "
        "[{\"left\": 3, \"features\": \"numbers\", \"units\": [], \"layers\": [["
        "0,0,0,0,0,0,0,0,0, 0,0,0,0,0,0,0,0,0, 0,0,0,0,0,0,0,0,0, 0,0,0,0,0,0,0,0, 0]]}]}";
    struct kit k;
    esp_error error = {0};
    double hand = score_of (&k, "{model: hand}"), trained = score_of (&k, NULL);
    CHECK (hand != trained && score_of (&k, "{model: trained}") == trained);
    PASS (esp_file_write ("weights.json", span_of (json), 0600, NULL));
    CHECK (score_of (&k, "{weights: weights.json}") == 0.5);
    PASS (esp_file_write ("weights.json", span_of ("{}"), 0600, NULL));
    FAILS (kit_open (&k, "embedded", ENGINE_PRM, "{weights: weights.json}", &error), ESP_EFORMAT);
    CHECK (k.state == NULL && strstr (error.text, "prm.weights: weights.json: ") == error.text);
    kit_close (&k);
    FAILS (kit_open (&k, "embedded", ENGINE_PRM, "{weights: not-there.json}", &error), ESP_ENOENT);
    CHECK (k.state == NULL && strstr (error.text, "not-there.json") != NULL);
    kit_close (&k);
    PASS (kit_open (&k, "embedded", ENGINE_PRM, "{model: hand, weights: not-there.json}", NULL));
    FAILS (k.kind->check_options (k.kind, k.memory, NULL, &error), ESP_EINVAL);
    CHECK (strstr (error.text, "weights") == error.text);
    kit_close (&k);
    CU_ASSERT_EQUAL (remove ("weights.json"), 0);
}

static esp_err scenario (struct kit *k, long n)
{
    esp_err err;
    esp_alloc_fail_after (n);
    err = k->kind->open (&k->setup, &k->state, NULL);
    if (err == ESP_OK) {
        kit_do (k, generate (TASK_TO_END, 0, 1), game, "13 - 9 = 4 (left: 4 4 10)\n");
        err = k->r.error;
        kit_do (k, (task){.kind = TASK_SCORE}, game, solution);
        err = err ? err : k->r.error;
        k->kind->close (k->state);
        k->state = NULL;
    }
    esp_alloc_fail_after (-1);
    return err;
}

static void survives_failure_of_every_allocation (void)
{
    struct kit k;
    long live;
    esp_err err = ESP_ENOMEM;
    PASS (kit_open (&k, "embedded", ENGINE_GENERATOR, NULL, NULL));
    k.kind->close (k.state);
    k.state = NULL;
    live = esp_alloc_live ();
    for (long n = 0; err != ESP_OK && n < 100; n++) {
        err = scenario (&k, n);
        CHECK (err == ESP_OK || err == ESP_ENOMEM);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_OK);
    kit_close (&k);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"an incomplete setup is refused", an_incomplete_setup_is_refused},
        {"a step is one legal operation", a_step_is_one_legal_operation},
        {"the same job gives the same text", the_same_job_gives_the_same_text},
        {"temperature 0 is greedy", temperature_0_is_greedy},
        {"draws follow the policy", draws_follow_the_policy},
        {"the last operation ends the sequence", the_last_operation_ends_the_sequence},
        {"caps truncate", caps_truncate},
        {"a broken branch cannot be continued", a_broken_branch_cannot_be_continued},
        {"scores know the end and guess before it", scores_know_the_end_and_guess_before_it},
        {"only the judged node and the lookahead are scored",
         only_the_judged_node_and_the_lookahead_are_scored},
        {"values are sensible", values_are_sensible},
        {"the model is an option, and so are its weights",
         the_model_is_an_option_and_so_are_its_weights},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("engine_embedded", cases);
}
