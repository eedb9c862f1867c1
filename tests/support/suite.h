/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_SUPPORT_SUITE_H
#define ESP_TESTS_SUPPORT_SUITE_H

/* suite.h - the CUnit kit: a table of sentences, and two checks */

#include <CUnit/CUnit.h>
#include "proto/base/err.h"

/* Setup that must work: the case ends here when it does not. */
#define PASS(call)                                                                                 \
    do {                                                                                           \
        esp_err pass_err_ = (call);                                                                \
        CU_assertImplementation (pass_err_ == ESP_OK, __LINE__, #call, __FILE__, "", CU_TRUE);     \
    } while (0)

/* A call that must fail with exactly this code. */
#define FAILS(call, code)                                                                          \
    do {                                                                                           \
        esp_err fails_err_ = (call);                                                               \
        CU_assertImplementation (fails_err_ == (code), __LINE__, #call " fails with " #code,       \
                                 __FILE__, "", CU_FALSE);                                          \
    } while (0)

#define CHECK(condition)                                                                           \
    CU_assertImplementation ((condition) ? CU_TRUE : CU_FALSE, __LINE__, #condition, __FILE__, "", \
                             CU_FALSE)

struct suite_case {
    const char *promise; /* a sentence */
    void (*run) (void);
};

/* Run the table (ends with a NULL promise); returns the exit status of main. */
int suite_main (const char *module, const struct suite_case *cases);

/* A fresh folder under $TMPDIR or the working folder, removed by suite_main at the end.  Static buffer per call (4 kept). */
const char *suite_folder (void);

#endif
