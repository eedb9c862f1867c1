/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_WIRE_WIRE_PARTS_H
#define ESP_PROTO_WIRE_WIRE_PARTS_H

/* wire_parts.h - objects that stand in several kinds of message; private to this folder
 *
 * put_ fills an object on the caller's memory; it borrows texts and arrays from the struct.
 * get_ answers false for a value that does not fit the struct (EFORMAT).
 */

#include "event.pb-c.h"
#include "proto/wire/wire_codec.h"
#include "task.pb-c.h"

/* wire_result.c */
void wire_put_result (const result *r, Espalier__Result *out);
bool wire_get_result (const Espalier__Result *r, result *out);
void wire_put_command (const command *c, Espalier__Command *out);
bool wire_get_command (const Espalier__Command *c, command *out);

/* wire_batch.c: problems, prefixes and tasks.  Errors: ESP_ENOMEM; get: ESP_EFORMAT. */
ESP_MUST_CHECK esp_err wire_put_batch (wire_codec *codec, const wire_message *m,
                                       Espalier__Batch *out);
ESP_MUST_CHECK esp_err wire_get_batch (wire_codec *codec, const Espalier__Batch *b,
                                       wire_message *out);

#endif
