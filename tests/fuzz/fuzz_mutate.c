/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_mutate.c - any bytes as a line of the process that makes mutants: no crash; a reply that is taken has a name */

// LINK: esp_engine

#include <assert.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "worker/engine/mutate_line.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    span line = span_make ((const char *)data, size);
    mutate_reply reply = {0};
    esp_buf buf = {0};
    char why[1024];
    if (mutate_read (line, &reply, &buf) == ESP_OK)
        assert (reply.name[0] && strlen (reply.name) < MUTATE_NAME && buf.len <= size);
    (void)mutate_read_ready (line, why);
    esp_buf_clear (&buf);
    if (mutate_ask (1, line, 2, 3, &buf) == ESP_OK)
        assert (!memchr (buf.data, '\n', buf.len));
    esp_buf_free (&buf);
    assert (esp_alloc_live () == 0);
    return 0;
}
