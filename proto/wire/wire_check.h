/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_WIRE_WIRE_CHECK_H
#define ESP_PROTO_WIRE_WIRE_CHECK_H

/* wire_check.h - what may stand in a message; private to this folder
 *
 * The encoder and the decoder ask the same functions, so what one writes the other reads.
 * Each returns ESP_OK, ESP_EINVAL or ESP_ETOOBIG (a limit of wire.h).
 */

#include "proto/wire/wire.h"

ESP_MUST_CHECK esp_err wire_check_message (const wire_message *m);
ESP_MUST_CHECK esp_err wire_check_record (const record *r);
ESP_MUST_CHECK esp_err wire_check_control (const control_message *m);
ESP_MUST_CHECK esp_err wire_check_events (const run_status *status, const event *events,
                                          size_t count);

#endif
