/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CLI_RUN_PROMPT_H
#define ESP_CLUSTER_CLI_RUN_PROMPT_H

/* run_prompt.h - the sections `step` and `prompt` of a run file, and what is made of them for the engines
 *
 * Ownership: a run_prompt owns step and chat; strings are borrowed from the config.  All zero is empty.
 */

#include "coordinator/search/search.h"
#include "proto/config/config.h"
#include "worker/prompt/chat.h"
#include "worker/prompt/step_rule.h"

typedef struct run_prompt {
    step_options step_how; /* `view` is bound with section `prm` */
    prompt_options chat_how;
    const char *examples_hash, *chat_file_hash; /* of what is in those files; NULL = no such file */
    step_rule *step;                            /* NULL only after a mistake */
    chat *chat; /* NULL too where the files that the run file names were not read */
} run_prompt;

extern const esp_option run_prompt_hash_rows[]; /* of section `prompt`, beside prompt_option_rows */

/* files: read those that `prompt` names.  What is wrong becomes a mistake of the config.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err run_prompt_bind (run_prompt *p, config *yaml, bool files);
/* For the search: how rollouts are cut; valid as long as p. */
step_split run_prompt_split (const run_prompt *p);
void run_prompt_free (run_prompt *p);

/* Does this problem make a prompt?  Errors: ESP_EFORMAT with a sentence, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err run_prompt_check_problem (const run_prompt *p, span json, esp_error *error);

#endif
