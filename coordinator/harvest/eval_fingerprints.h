/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_HARVEST_EVAL_FINGERPRINTS_H
#define ESP_COORDINATOR_HARVEST_EVAL_FINGERPRINTS_H

/* eval_fingerprints.h - eval_fingerprints.txt as a part of the program (embedded by CMake) */

extern const char eval_fingerprints[];

#endif
