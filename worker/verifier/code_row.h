/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_VERIFIER_CODE_ROW_H
#define ESP_WORKER_VERIFIER_CODE_ROW_H

/* code_row.h - has a problem's row tests, as code_judge.py would read them?  A quick look, without Python
 *
 * Whether tests that are programs parse is not seen here.  Threads: pure.
 */

#include "proto/base/text.h"

enum code_row {
    CODE_ROW_GOOD,  /* there is something to run */
    CODE_ROW_EMPTY, /* "no-tests" */
    CODE_ROW_BAD    /* "bad-problem" */
};

enum code_row code_row_look (span json);

#endif
