/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_PROBLEM_VIEW_H
#define ESP_COORDINATOR_SINK_PROBLEM_VIEW_H

/* problem_view.h - what sample formats see of a finished problem: made once for all of them
 *
 * Threads: none.  Errors: ESP_ENOMEM.
 */

#include "coordinator/sink/sample.h"

typedef struct problem_view {
    sample_view view; /* borrows from here */
    json_t *row;      /* owned */
    esp_buf prompt, messages, gold;
    label *labels; /* owned */
} problem_view;

/* b: with agreement.  Close it also after an error. */
ESP_MUST_CHECK esp_err problem_view_open (const search *s, const branches *b, bool labels,
                                          problem_view *out);
void problem_view_close (problem_view *v);

#endif
