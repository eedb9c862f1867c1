/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_problems.c - any bytes as a problems file: no crash, every good line can be had, and the
 * index that the first scan leaves gives the same problems
 */

#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "coordinator/problem/problem_source.h"
#include "proto/base/alloc.h"
#include "proto/base/log.h"

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

int LLVMFuzzerInitialize (int *argc, char ***argv)
{
    (void)argc, (void)argv;
    (void)!esp_log_open (-1, LOG_ERROR, NULL, LOG_ERROR); /* skipped lines are warnings */
    return 0;
}

static void use (const problem_options *o, const char *index, uint32_t *count)
{
    problem_source *s = NULL;
    esp_error error = {0};
    esp_buf memory = {0};
    esp_err err = problem_source_open (o, index, NULL, NULL, &s, &error);
    assert (err == ESP_OK || (err == error.code && error.text[0]));
    *count = problem_source_count (s);
    for (uint32_t i = *count; i-- > 0;) {
        problem p;
        err = problem_source_get (s, 0, i, &memory, &p, &error);
        assert (err == ESP_OK && p.id.len > 0 && p.json.ptr[0] == '{');
    }
    esp_buf_free (&memory);
    problem_source_close (s);
}

/* First byte: refuse or skip, own field names or not; the rest is the file. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    char path[64], index[64];
    problem_options o = {.file = path, .max_line_bytes = 4096};
    uint32_t first, again;
    int fd;
    if (size == 0)
        return 0;
    o.on_error = data[0] & 1;
    o.field_id = data[0] & 2 ? "key" : NULL;
    o.field_answer = data[0] & 4 ? "gold" : NULL;
    fd = memfd_create ("problems", 0);
    assert (fd >= 0 && write (fd, data + 1, size - 1) == (ssize_t)(size - 1));
    snprintf (path, sizeof (path), "/proc/self/fd/%d", fd);
    snprintf (index, sizeof (index), "/dev/shm/fuzz_problems.%d.idx", (int)getpid ());
    unlink (index);
    use (&o, index, &first);
    use (&o, index, &again);
    assert (first == again);
    unlink (index);
    close (fd);
    assert (esp_alloc_live () == 0);
    return 0;
}
