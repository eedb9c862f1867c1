/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_MODEL_SERVER_H
#define ESP_TESTS_SUPPORT_MODEL_SERVER_H

/* model_server.h - a model server (tests/support/model_server) as a child of a test
 *
 *     model_server *s = model_server_start ((const char *[]){"--kind", "sglang", "--fault", "429 n=2", NULL});
 *     ... model_server_url (s) ...
 *     model_server_stop (s);
 *
 * What it can do: build/tests/support/model_server --help.  It ends with the thread that started it, whatever happens to the test.
 * GET /stats tells what it has seen: {"requests", "connections", "gone", "faults", "generated_tokens"}.
 */

#include <sys/types.h>

typedef struct model_server model_server;

model_server *model_server_start (
    const char *const *options); /* NULL ends them; a fatal check of CUnit if it cannot */
const char *model_server_url (const model_server *s);
pid_t model_server_pid (const model_server *s); /* for SIGSTOP, SIGCONT, SIGKILL */
void model_server_stop (model_server *s);       /* accepts NULL; waits for its end */

#endif
