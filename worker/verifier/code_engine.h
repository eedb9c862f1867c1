/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_CODE_ENGINE_H
#define ESP_WORKER_VERIFIER_CODE_ENGINE_H

/* code_engine.h - what the verifiers that run programs at desks share (code, behaviour): all but what they ask of the judge
 *
 * Such a verifier is a table of options and one function.
 */

#include "worker/verifier/code_pool.h"

typedef struct code_options { /* first in the options of each such kind */
    int64_t processes, memory_mb, cpu_s, output_kb, visible_tests;
    const char *python;
    int sandbox;
    bool packages;
    double timeout_s;
    esp_strings binds;
} code_options;

#define CODE_AT(field) offsetof (code_options, field)
/* The rows of code_options, for the tables of these kinds. */
#define CODE_OPTION_ROWS                                                                           \
    {"processes",                                                                                  \
     ESP_OPT_INT,                                                                                  \
     CODE_AT (processes),                                                                          \
     "0",                                                                                          \
     0,                                                                                            \
     CODE_MOST,                                                                                    \
     NULL,                                                                                         \
     "programs",                                                                                   \
     "programs that are judged at once by each worker; 0 = as many as there are cores",            \
     ESP_OPT_FREE,                                                                                 \
     false},                                                                                       \
        {"sandbox",                                                                                \
         ESP_OPT_CHOICE,                                                                           \
         CODE_AT (sandbox),                                                                        \
         "bubblewrap",                                                                             \
         0,                                                                                        \
         0,                                                                                        \
         "bubblewrap|none",                                                                        \
         "",                                                                                       \
         "what contains the programs; none: nothing, they run with your rights",                   \
         ESP_OPT_FIXED,                                                                            \
         false},                                                                                   \
        {"python",                                                                                 \
         ESP_OPT_STRING,                                                                           \
         CODE_AT (python),                                                                         \
         "/usr/bin/python3",                                                                       \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "",                                                                                       \
         "Python 3.9 or newer, its whole path; outside /usr its folder must be in binds",          \
         ESP_OPT_FIXED,                                                                            \
         false},                                                                                   \
        {"packages",                                                                               \
         ESP_OPT_BOOL,                                                                             \
         CODE_AT (packages),                                                                       \
         "false",                                                                                  \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "",                                                                                       \
         "programs may import what is installed for that Python (slower to start)",                \
         ESP_OPT_FIXED,                                                                            \
         false},                                                                                   \
        {"binds",                                                                                  \
         ESP_OPT_STRINGS,                                                                          \
         CODE_AT (binds),                                                                          \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "",                                                                                       \
         "folders that programs can read, beside /usr",                                            \
         ESP_OPT_FIXED,                                                                            \
         false},                                                                                   \
        {"visible_tests",                                                                          \
         ESP_OPT_INT,                                                                              \
         CODE_AT (visible_tests),                                                                  \
         "1",                                                                                      \
         1,                                                                                        \
         10000,                                                                                    \
         NULL,                                                                                     \
         "tests",                                                                                  \
         "where a docstring has no examples so many of the first tests are the visible ones",      \
         ESP_OPT_FIXED,                                                                            \
         false},                                                                                   \
        {"timeout_s",                                                                              \
         ESP_OPT_DOUBLE,                                                                           \
         CODE_AT (timeout_s),                                                                      \
         "20",                                                                                     \
         0.1,                                                                                      \
         36000,                                                                                    \
         NULL,                                                                                     \
         "s",                                                                                      \
         "wall time of one program with all its tests; then its verdict is unknown",               \
         ESP_OPT_FREE,                                                                             \
         false},                                                                                   \
        {"cpu_s",       ESP_OPT_INT, CODE_AT (cpu_s),                                              \
         "10",          1,           36000,                                                        \
         NULL,          "s",         "CPU time of one program with all its tests; then it fails",  \
         ESP_OPT_FIXED, false},                                                                    \
        {"memory_mb", ESP_OPT_INT, CODE_AT (memory_mb),          "1024",        64,   1 << 20,     \
         NULL,        "MiB",       "address space of a program", ESP_OPT_FIXED, false},            \
    {                                                                                              \
        "output_kb", ESP_OPT_INT, CODE_AT (output_kb), "1024", 1, 8192, NULL, "KiB",               \
            "what a program may print for one test", ESP_OPT_FIXED, false                          \
    }

/* Append what is asked beside row and text: "\"visible\":true,".  own: the options. */
typedef esp_err (*code_ask) (const void *own, const job *j, esp_buf *out);

/* Errors as engine_kind.open's. */
ESP_MUST_CHECK esp_err code_engine_open (const engine_setup *setup, code_ask what, void **state,
                                         esp_error *error);

/* Of engine_kind: */
void code_engine_start (void *state, const job *const *jobs, size_t n);
void code_engine_poll (void *state);
void code_engine_cancel (void *state, const job *j);
size_t code_engine_fds (void *state, int *fds, size_t max);
uint32_t code_engine_slots (const void *state);
esp_err code_engine_describe (void *state, esp_buf *out);
esp_err code_engine_ready (void *state, esp_error *why);   /* of kinds that speak HTTP */
esp_err code_engine_settled (void *state, esp_error *why); /* likewise */
void code_engine_close (void *state);

#endif
