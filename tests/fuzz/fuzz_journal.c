/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_journal.c - any bytes as a segment: no crash, no leak, and what is accepted adds up
 *
 * First byte: 1 = mend the checksums (else hardly anything gets past them), 2 = the bytes are a closed
 * segment as it stands on disk (zstd).  The rest: the segment.  Files are in /dev/shm, or in the working folder.
 */

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "coordinator/journal/journal_private.h"
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "proto/base/hash.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

enum { MEND = 1, PACKED = 2 };

static const char *folder (void)
{
    static char path[64];
    char inner[128];
    if (path[0])
        return path;
    strcpy (path, "/dev/shm/fuzz_journal.XXXXXX");
    if (!mkdtemp (path)) {
        strcpy (path, "fuzz_journal.XXXXXX");
        if (!mkdtemp (path))
            abort ();
    }
    (void)snprintf (inner, sizeof (inner), "%s/journal/00/closed", path);
    if (esp_folder_make (inner, NULL) != ESP_OK)
        abort ();
    return path;
}

static void mend_checksums (char *bytes, size_t len)
{
    for (size_t at = 0; len - at >= JOURNAL_FRAME_HEAD;) {
        uint32_t body = 0, crc;
        for (int i = 0; i < 4; i++)
            body |= (uint32_t)(unsigned char)bytes[at + (size_t)i] << (8 * i);
        if (body > len - at - JOURNAL_FRAME_HEAD)
            return;
        crc = esp_crc32c (0, bytes + at + JOURNAL_FRAME_HEAD, body);
        for (int i = 0; i < 4; i++)
            bytes[at + 4 + (size_t)i] = (char)(crc >> (8 * i));
        at += JOURNAL_FRAME_HEAD + body;
    }
}

static void put_segment (enum journal_place place, const char *bytes, size_t len)
{
    char path[JOURNAL_PATH_MAX];
    int fd;
    if (journal_segment_path (folder (), 1, place, path, NULL) != ESP_OK)
        abort ();
    unlink (path);
    fd = open (path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || journal_write_at (fd, span_make (bytes, len), 0) != 0)
        abort ();
    close (fd);
}

static void remove_segment (enum journal_place place)
{
    char path[JOURNAL_PATH_MAX];
    if (journal_segment_path (folder (), 1, place, path, NULL) != ESP_OK)
        abort ();
    unlink (path);
}

static esp_err count_inputs (void *ctx, const record *r)
{
    if (r->kind == RECORD_INPUT)
        ++*(size_t *)ctx;
    return ESP_OK;
}

static void look (size_t size)
{
    journal_state s;
    journal_tail tail = {0};
    record_header header;
    esp_buf memory = {0};
    esp_error error = {0};
    size_t replayed = 0, walked = 0;
    esp_err walk = journal_walk (folder (), UINT64_MAX, count_inputs, &walked, &error);
    assert (walk == ESP_OK || error.text[0]);
    if (journal_peek (folder (), &header, &memory, NULL) == ESP_OK) {
        uint64_t sum = header.run_file.len;
        for (size_t i = 0; i < header.finished_count; i++)
            sum += header.finished[i].count;
        for (size_t i = 0; i < header.file_count; i++)
            sum += header.files[i].name.len ? (unsigned char)header.files[i].name.ptr[0] : 0;
        assert (sum != 1 || memory.len > 0); /* every byte was there to be read */
    }
    journal_state_init (&s);
    if (journal_replay (folder (), count_inputs, &replayed, &s, &tail, &error) == ESP_OK) {
        assert (tail.footer || tail.bytes + tail.torn == size);
        assert (tail.bytes <= size && walk == ESP_OK && replayed <= walked);
    }
    journal_state_free (&s);
    esp_buf_free (&memory);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    char *bytes;
    if (size < 1 || !(bytes = malloc (size)))
        return 0;
    memcpy (bytes, data + 1, size - 1);
    if (data[0] & MEND)
        mend_checksums (bytes, size - 1);
    put_segment (data[0] & PACKED ? JOURNAL_CLOSED : JOURNAL_OPEN, bytes, size - 1);
    look (size - 1);
    remove_segment (data[0] & PACKED ? JOURNAL_CLOSED : JOURNAL_OPEN);
    assert (esp_alloc_live () == 0);
    free (bytes);
    return 0;
}
