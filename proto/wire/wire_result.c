/* SPDX-License-Identifier: Apache-2.0 */
/* wire_result.c - results and commands: in messages, in the journal, in control */

#include "proto/wire/wire_parts.h"
#include <math.h>

_Static_assert(ESPALIER__NODE_FINISH__NODE_FINISH_STOP == FINISH_STOP + 1 &&
                   ESPALIER__NODE_FINISH__NODE_FINISH_ERROR == FINISH_ERROR + 1 &&
                   ESPALIER__VERDICT__VERDICT_NONE == VERDICT_NONE + 1 &&
                   ESPALIER__VERDICT__VERDICT_UNKNOWN == VERDICT_UNKNOWN + 1 &&
                   ESPALIER__COMMAND_KIND__COMMAND_KIND_PRUNE == COMMAND_PRUNE + 1 &&
                   (int)ESPALIER__COMMAND_KIND__COMMAND_KIND_FINISH == COMMAND_KINDS,
               "the schema counts from 1");

void wire_put_result (const result *r, Espalier__Result *out)
{
    *out = (Espalier__Result)ESPALIER__RESULT__INIT;
    out->problem = r->id.problem;
    out->number = r->id.number;
    out->error = (uint32_t)r->error;
    out->text = wire_bytes (r->text);
    out->tokens = r->tokens;
    out->steps = r->steps;
    out->finish = (Espalier__NodeFinish)(r->finish + 1);
    if (!isnan (r->logprob)) {
        out->logprob_given_case = ESPALIER__RESULT__LOGPROB_GIVEN_LOGPROB;
        out->logprob = r->logprob;
    }
    if (!isnan (r->mean_logprob)) {
        out->mean_logprob_given_case = ESPALIER__RESULT__MEAN_LOGPROB_GIVEN_MEAN_LOGPROB;
        out->mean_logprob = r->mean_logprob;
    }
    out->n_scores = r->score_count;
    out->scores = (double *)(uintptr_t)r->scores;
    out->own_scores = r->score_own;
    out->scored_tokens = r->scored_tokens;
    out->verdict = (Espalier__Verdict)(r->verdict + 1);
    if (!isnan (r->share)) {
        out->share_given_case = ESPALIER__RESULT__SHARE_GIVEN_SHARE;
        out->share = r->share;
    }
    out->answer = wire_bytes (r->answer);
    out->observation = wire_bytes (r->observation);
    out->reason = wire_bytes (r->reason);
    out->prompt_tokens = r->prompt_tokens;
    out->cached_tokens = r->cached_tokens;
    out->token_data = wire_bytes (r->token_data);
}

bool wire_get_result (const Espalier__Result *r, result *out)
{
    *out = (result){
        .id = {r->problem, r->number},
        .error = (esp_err)r->error,
        .text = wire_span (r->text),
        .tokens = r->tokens,
        .steps = r->steps,
        .logprob = r->logprob_given_case ? r->logprob : NAN,
        .mean_logprob = r->mean_logprob_given_case ? r->mean_logprob : NAN,
        .scores = r->scores,
        .score_count = (uint32_t)r->n_scores,
        .score_own = r->own_scores,
        .scored_tokens = r->scored_tokens,
        .share = r->share_given_case ? r->share : NAN,
        .answer = wire_span (r->answer),
        .observation = wire_span (r->observation),
        .reason = wire_span (r->reason),
        .prompt_tokens = r->prompt_tokens,
        .cached_tokens = r->cached_tokens,
        .token_data = wire_span (r->token_data),
    };
    return wire_known (&r->base) && r->n_scores <= UINT32_MAX &&
           wire_get_enum ((int)r->finish, FINISH_ERROR + 1, &out->finish) &&
           wire_get_enum ((int)r->verdict, VERDICT_UNKNOWN + 1, &out->verdict);
}

void wire_put_command (const command *c, Espalier__Command *out)
{
    *out = (Espalier__Command)ESPALIER__COMMAND__INIT;
    out->kind = (Espalier__CommandKind)(c->kind + 1);
    out->node = c->node;
    out->value = c->value;
    out->text = wire_bytes (c->text);
}

bool wire_get_command (const Espalier__Command *c, command *out)
{
    *out = (command){.node = c->node, .value = c->value, .text = wire_span (c->text)};
    return wire_known (&c->base) && wire_get_enum ((int)c->kind, COMMAND_KINDS, &out->kind);
}
