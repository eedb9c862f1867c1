/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_ALLOC_H
#define ESP_PROTO_BASE_ALLOC_H

/* alloc.h - every heap call of ours, with a hook that fails the n-th
 *
 * Threads: all functions may be called from any thread.  The fail hook is
 * for single-threaded tests.
 * Errors:  NULL when memory is out, or a size overflows or is over 512 GiB; nothing is set.
 */

#include <stddef.h>

void *esp_malloc (size_t bytes);              /* size 0 gives a unique pointer */
void *esp_calloc (size_t count, size_t size); /* zeroed; overflow-checked */
void *esp_realloc (void *ptr, size_t bytes);  /* on NULL the old block stays valid */
void *esp_reallocarray (void *ptr, size_t count, size_t size);
void esp_free (void *ptr); /* accepts NULL */
char *esp_strdup (const char *text);
char *esp_strndup (const char *text, size_t max); /* copies at most max bytes, adds the 0 */

/* Grow *array (elements of `size` bytes, capacity *capacity) so that it holds at
 * least `need`; doubles from 16.  Returns 0 on success, -1 when memory is out (array unchanged). */
int esp_grow (void *array, size_t *capacity, size_t need, size_t size)
    __attribute__ ((warn_unused_result));

/* Let the next n allocations succeed and every later one fail; -1 switches it off. */
void esp_alloc_fail_after (long n);

/* Blocks allocated and not freed, over all threads. */
long esp_alloc_live (void);

#endif
