/* SPDX-License-Identifier: Apache-2.0 */
/* token_data.c - see token_data.h */

#include "proto/model/token_data.h"
#include <assert.h>
#include <endian.h>
#include <string.h>

enum { HEAD = 8, CELL = 8 }; /* bytes */

static esp_err put (esp_buf *out, uint32_t a, uint32_t b)
{
    uint32_t pair[2] = {htole32 (a), htole32 (b)};
    return esp_buf_append (out, pair, sizeof (pair));
}

static void get (const char *at, uint32_t *a, uint32_t *b)
{
    uint32_t pair[2];
    memcpy (pair, at, sizeof (pair));
    *a = le32toh (pair[0]);
    *b = le32toh (pair[1]);
}

static esp_err put_all (const token_logprob *tokens, size_t count, esp_buf *out)
{
    esp_err err = ESP_OK;
    for (size_t i = 0; i < count && err == ESP_OK; i++) {
        uint32_t bits;
        memcpy (&bits, &tokens[i].logprob, sizeof (bits));
        err = put (out, tokens[i].id, bits);
    }
    return err;
}

esp_err token_data_encode (const token_logprob *tokens, size_t count,
                           const token_logprob *alternatives, uint32_t top, esp_buf *out)
{
    size_t before = out->len;
    esp_err err;
    if (count > TOKEN_DATA_COUNT_MAX || top > TOKEN_DATA_TOP_MAX)
        return ESP_EINVAL;
    if ((err = esp_buf_reserve (out, HEAD + CELL * count * (1 + (size_t)top))) != ESP_OK)
        return err;
    if ((err = put (out, (uint32_t)count, top)) == ESP_OK &&
        (err = put_all (tokens, count, out)) == ESP_OK)
        err = put_all (alternatives, count * top, out);
    if (err != ESP_OK)
        out->len = before;
    return err;
}

esp_err token_data_decode (span bytes, token_data *out)
{
    uint32_t count, top;
    if (bytes.len < HEAD)
        return ESP_EFORMAT;
    get (bytes.ptr, &count, &top);
    if (count > TOKEN_DATA_COUNT_MAX || top > TOKEN_DATA_TOP_MAX ||
        bytes.len != HEAD + (size_t)CELL * count * (1 + (size_t)top))
        return ESP_EFORMAT;
    *out = (token_data){bytes, count, top};
    return ESP_OK;
}

static token_logprob cell (const token_data *d, size_t index)
{
    token_logprob t;
    uint32_t bits;
    get (d->bytes.ptr + HEAD + CELL * index, &t.id, &bits);
    memcpy (&t.logprob, &bits, sizeof (bits));
    return t;
}

token_logprob token_data_at (const token_data *d, uint32_t index)
{
    assert (index < d->count);
    return cell (d, index);
}

token_logprob token_data_alternative (const token_data *d, uint32_t index, uint32_t rank)
{
    assert (index < d->count && rank < d->top);
    return cell (d, d->count + (size_t)index * d->top + rank);
}
