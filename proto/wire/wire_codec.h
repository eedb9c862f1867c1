/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_WIRE_WIRE_CODEC_H
#define ESP_PROTO_WIRE_WIRE_CODEC_H

/* wire_codec.h - memory and small conversions shared by the files of this folder; private to it
 *
 * Two arenas, because encoding must not harm what was decoded last: `in` holds the last decoded
 * message, `out` the protobuf objects of the message that is being packed.  Both are only reset, so
 * that a steady stream of ordinary messages costs no malloc.
 *
 * Naming: put_ = plain struct -> protobuf object (texts are pointed to, not copied), get_ = protobuf object ->
 * plain struct.  A get_ function narrows and counts; what the values may be is told by wire_check.h.
 */

#include <protobuf-c/protobuf-c.h>
#include "proto/base/arena.h"
#include "proto/wire/wire.h"

struct wire_codec {
    esp_arena *in;                /* owned */
    esp_arena *out;               /* owned */
    ProtobufCAllocator allocator; /* bump allocation from `in`; free does nothing */
    size_t used;                  /* bytes taken from `in` by this decode */
    size_t limit;    /* of used; more is refused: hostile bytes may blow up when unpacked */
    esp_err failure; /* why the allocator said no */
};

/* Memory until the next encode; NULL when memory is out. */
static inline void *wire_out (wire_codec *codec, size_t count, size_t size)
{
    return esp_arena_alloc (codec->out, count * size);
}

/* Memory until the next decode; NULL when memory is out or the limit is reached: codec->failure says which. */
void *wire_in (wire_codec *codec, size_t count, size_t size);

/* Append the packed message to *out.  Errors: ESP_ENOMEM, ESP_ETOOBIG. */
ESP_MUST_CHECK esp_err wire_pack (const ProtobufCMessage *message, esp_buf *out);

/* Forget what was decoded last and unpack.  NULL: codec->failure is ESP_EFORMAT or ESP_ENOMEM. */
void *wire_unpack (wire_codec *codec, const ProtobufCMessageDescriptor *type, span bytes);

/* ESP_OK when the bytes open with field 1 = WIRE_VERSION, ESP_EVERSION for another, ESP_EFORMAT for no such field. */
ESP_MUST_CHECK esp_err wire_version (span bytes);

static inline ProtobufCBinaryData wire_bytes (span text)
{
    return (ProtobufCBinaryData){text.len, (uint8_t *)(uintptr_t)text.ptr};
}

static inline span wire_span (ProtobufCBinaryData bytes)
{
    return span_make (bytes.len ? (const char *)bytes.data : "", bytes.len);
}

/* No field that this version does not have. */
static inline bool wire_known (const ProtobufCMessage *message)
{
    return message->n_unknown_fields == 0;
}

/* Zero means "not set" in the schema: value 1 is our 0.  False when value is not in 1 .. count. */
static inline bool wire_get_enum (int value, int count, uint8_t *out)
{
    *out = (uint8_t)((unsigned)value - 1U); /* value may be INT_MIN */
    return value >= 1 && value <= count;
}

static inline bool wire_get_u16 (uint32_t value, uint16_t *out)
{
    *out = (uint16_t)value;
    return value <= UINT16_MAX;
}

#endif
