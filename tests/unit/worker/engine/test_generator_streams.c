/* SPDX-License-Identifier: Apache-2.0 */
/* test_generator_streams.c - samples of one stream that end at different times (worker/engine/generator_answer.c) */

// LINK: esp_engine_table esp_config esp_test_servers

#include "tests/unit/worker/engine/generator_kit.h"

static struct gen g;

static const struct {
    const char *kind, *path;
} streams[] = {{"llamacpp", "/completion"}, {"sglang", "/generate"}};
enum { STREAMS = 2 };

/* Served, four siblings are out; the first answer behind the probe's has that fault. */
static void stream_with (int k, const char *fault)
{
    char spec[100];
    const char *more[] = {"--fault", spec, NULL};
    snprintf (spec, sizeof (spec), "%s path=%s n=2", fault, streams[k].path);
    kit_serve (&g, streams[k].kind, "generator: {stream: always}\n", more);
    kit_siblings (&g, 4);
    kit_start (&g, 4);
}

static void siblings_are_handed_on_as_each_ends (void)
{
    for (int k = 0; k < STREAMS; k++) {
        server *s;
        stream_with (k, "stall-body"); /* half of the events, then silence */
        UNTIL (&g, g.done > 0);
        s = servers_at (g.state->servers, 0);
        CHECK (g.done < 4 && s->in_flight == 4 - g.done);
        CHECK (g.got[0].calls == 1 && g.got[0].r.error == ESP_OK);
        CHECK (g.got[0].r.tokens > 3 && g.got[0].text[0] != 0);
        for (int i = 0; i < 4; i++)
            if (g.got[i].calls == 0)
                g.kind->cancel (g.state, &g.jobs[i]);
        CHECK (!g.state->requests && s->in_flight == 0);
        kit_end (&g);
    }
}

static void a_sibling_handed_on_before_a_fault_is_not_asked_twice (void)
{
    for (int k = 0; k < STREAMS; k++) {
        char texts[4][KIT_TEXT];
        uint32_t prompt = 0, told = 0;
        uint64_t asked;
        stream_with (k, "500");
        UNTIL (&g, g.done == 4);
        for (int i = 0; i < 4; i++) {
            memcpy (texts[i], g.got[i].text, KIT_TEXT);
            prompt += g.got[i].r.prompt_tokens;
        }
        CHECK (prompt > 5);
        asked = kit_requests (&g);
        kit_end (&g);
        stream_with (k, "half-body"); /* kit_done checks that each is called once */
        UNTIL (&g, g.done > 0);
        CHECK (g.done < 4);
        UNTIL (&g, g.done == 4);
        for (int i = 0; i < 4; i++) {
            kit_same (g.got[i].text, texts[i]);
            told += g.got[i].r.prompt_tokens;
        }
        CHECK (told == prompt && kit_requests (&g) == asked);
        CHECK (servers_at (g.state->servers, 0)->in_flight == 0);
        kit_end (&g);
    }
}

/* vLLM's samples come side by side, and what the prompt took behind the last. */
static void a_prompt_that_is_told_at_the_end_is_counted (void)
{
    static const char *const slow[] = {"--token-ms", "20", NULL};
    uint32_t told = 0;
    kit_serve (&g, "vllm", "generator: {stream: always}\n", slow);
    kit_siblings (&g, 4);
    kit_start (&g, 4);
    UNTIL (&g, g.done > 0);
    CHECK (g.done < 4);
    for (int i = 0; i < 4; i++)
        CHECK (g.got[i].r.prompt_tokens == 0 && (g.got[i].calls == 0 || g.got[i].r.tokens > 3));
    UNTIL (&g, g.done == 4);
    for (int i = 0; i < 4; i++)
        told += g.got[i].r.prompt_tokens;
    CHECK (told > 5);
    CHECK (server_counts_of (servers_at (g.state->servers, 0))->prompt_tokens == told);
    kit_end (&g);
}

/* A pattern is looked for here, until the last of the siblings has its step: the others have gone on by then. */
static void a_step_is_the_same_however_its_stream_comes (void)
{
    static const char *const slow[] = {"--token-ms", "8", NULL};
    for (int k = 0; k < KIT_KINDS - 1; k++) {
        static struct got fast[4];
        bool several = false;
        for (int slowly = 0; slowly < 2; slowly++) {
            kit_serve (&g, kit_kinds[k],
                       "step: {regex: \"= [0-9]+\\\\.\\n\"}\ngenerator: {logprobs: sum}\n",
                       slowly ? slow : NULL);
            kit_siblings (&g, 4);
            kit_do (&g, 4);
            for (int i = 0; i < 4; i++) {
                if (!slowly)
                    fast[i] = g.got[i];
                kit_same (g.got[i].text, fast[i].text);
                CHECK (g.got[i].r.error == ESP_OK && g.got[i].r.tokens == fast[i].r.tokens);
                CHECK (g.got[i].r.finish == fast[i].r.finish);
                CHECK (fabs (g.got[i].r.logprob - fast[i].r.logprob) < 1e-9);
                several |= g.got[i].r.tokens != g.got[0].r.tokens;
            }
            kit_end (&g);
        }
        CHECK (several); /* else nobody waited for another */
    }
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"siblings are handed on as each ends", siblings_are_handed_on_as_each_ends},
        {"a sibling handed on before a fault is not asked twice",
         a_sibling_handed_on_before_a_fault_is_not_asked_twice},
        {"a prompt that is told at the end is counted",
         a_prompt_that_is_told_at_the_end_is_counted},
        {"a step is the same however its stream comes",
         a_step_is_the_same_however_its_stream_comes},
        {NULL, NULL},
    };
    return suite_main ("generator_streams", cases);
}
