/* SPDX-License-Identifier: Apache-2.0 */
/* wire_codec.c - two arenas around protobuf-c
 *
 * protobuf-c takes each object, array and text of an unpacked message from the allocator it is given;
 * ours bumps a pointer, which makes unpacking several times faster than malloc and freeing a no-op.
 */

#include "proto/wire/wire_codec.h"
#include "proto/base/alloc.h"

enum {
    /* Bytes.  A results message of 16 x 1 kB needs about 40 kB; a larger one than this pays a malloc. */
    IN_CHUNK = 256 << 10,
    /* Bytes: 100 tasks; texts are not copied. */
    OUT_CHUNK = 64 << 10,
    /* Bytes that any message may take when unpacked, and so many more per byte on the wire (its texts).  Without a
     * limit 2 bytes become 250.  Less would refuse a snapshot of WIRE_EVENTS_MAX short events. */
    UNPACK_BASE = 320 << 20,
    UNPACK_FACTOR = 2,
    /* Field 1, varint. */
    VERSION_TAG = 1 << 3
};
_Static_assert(WIRE_VERSION > 0 && WIRE_VERSION < 128, "the version is one byte of varint");

void *wire_in (wire_codec *codec, size_t count, size_t size)
{
    size_t bytes = count * size; /* no overflow: count is of objects that are in memory */
    void *ptr;
    if (bytes > codec->limit - codec->used) {
        codec->failure = ESP_EFORMAT;
        return NULL;
    }
    if (!(ptr = esp_arena_alloc (codec->in, bytes))) {
        codec->failure = ESP_ENOMEM;
        return NULL;
    }
    codec->used += bytes;
    return ptr;
}

static void *unpack_alloc (void *codec, size_t bytes)
{
    return wire_in (codec, 1, bytes);
}

static void unpack_free (void *codec, void *ptr)
{
    (void)codec; /* the arena drops everything at the next decode */
    (void)ptr;
}

esp_err wire_codec_create (wire_codec **out)
{
    wire_codec *codec;
    if (!out)
        return ESP_EINVAL;
    if (!(codec = esp_calloc (1, sizeof (*codec))))
        return ESP_ENOMEM;
    if (esp_arena_create (IN_CHUNK, &codec->in) != ESP_OK ||
        esp_arena_create (OUT_CHUNK, &codec->out) != ESP_OK) {
        wire_codec_destroy (codec);
        return ESP_ENOMEM;
    }
    codec->allocator = (ProtobufCAllocator){unpack_alloc, unpack_free, codec};
    *out = codec;
    return ESP_OK;
}

void wire_codec_destroy (wire_codec *codec)
{
    if (!codec)
        return;
    esp_arena_destroy (codec->in);
    esp_arena_destroy (codec->out);
    esp_free (codec);
}

esp_err wire_pack (const ProtobufCMessage *message, esp_buf *out)
{
    size_t size = protobuf_c_message_get_packed_size (message);
    esp_err err;
    if (size > WIRE_BYTES_MAX)
        return ESP_ETOOBIG;
    if ((err = esp_buf_reserve (out, size)) != ESP_OK)
        return err;
    out->len += protobuf_c_message_pack (message, (uint8_t *)out->data + out->len);
    out->data[out->len] = 0;
    return ESP_OK;
}

void *wire_unpack (wire_codec *codec, const ProtobufCMessageDescriptor *type, span bytes)
{
    codec->failure = ESP_EFORMAT; /* unless the allocator says otherwise */
    if (bytes.len > WIRE_BYTES_MAX)
        return NULL;
    esp_arena_reset (codec->in);
    codec->used = 0;
    codec->limit = UNPACK_BASE + bytes.len * UNPACK_FACTOR;
    return protobuf_c_message_unpack (type, &codec->allocator, bytes.len,
                                      (const uint8_t *)bytes.ptr);
}

esp_err wire_version (span bytes)
{
    if (bytes.len < 2 || bytes.ptr[0] != VERSION_TAG)
        return ESP_EFORMAT;
    return bytes.ptr[1] == WIRE_VERSION ? ESP_OK : ESP_EVERSION;
}
