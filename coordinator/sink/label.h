/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_SINK_LABEL_H
#define ESP_COORDINATOR_SINK_LABEL_H
#include "coordinator/search/search.h"
enum label_hard { LABEL_UNDECIDED, LABEL_BAD, LABEL_GOOD };
typedef struct label {
    uint32_t rollouts, passed;
    double value;
    double low, high;
    enum label_hard hard;
    bool strategy;
} label;
ESP_MUST_CHECK esp_err labels_of_search (const search *s, label **out);
#endif
