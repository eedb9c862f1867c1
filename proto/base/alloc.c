/* SPDX-License-Identifier: Apache-2.0 */
/* alloc.c - malloc with a counter and a switch
 *
 * The counter is one relaxed atomic add a call; its order against other memory does not matter.
 */

#include "proto/base/alloc.h"
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 16 }; /* elements; smaller would only mean more early doublings */

/* 512 GiB.  A larger size is an overflow of ours or a length that an attacker made up; malloc would
 * refuse most of them, the sanitizers' malloc stops the program instead. */
#define LARGEST (SIZE_MAX >> 25)

static atomic_long live_blocks;
static atomic_long allowed = -1; /* allocations until the hook fails them; -1: hook off */

static int is_allowed (size_t bytes)
{
    long left = atomic_load_explicit (&allowed, memory_order_relaxed);
    if (bytes > LARGEST)
        return 0;
    if (left < 0)
        return 1;
    if (left == 0)
        return 0;
    atomic_store_explicit (&allowed, left - 1, memory_order_relaxed);
    return 1;
}

static void *counted (void *ptr)
{
    if (ptr)
        atomic_fetch_add_explicit (&live_blocks, 1, memory_order_relaxed);
    return ptr;
}

void *esp_malloc (size_t bytes)
{
    return is_allowed (bytes) ? counted (malloc (bytes ? bytes : 1)) : NULL;
}

void *esp_calloc (size_t count, size_t size)
{
    if (size && count > LARGEST / size)
        return NULL;
    if (!is_allowed (count * size))
        return NULL;
    return counted (count && size ? calloc (count, size) : calloc (1, 1));
}

void *esp_realloc (void *ptr, size_t bytes)
{
    if (!ptr)
        return esp_malloc (bytes);
    return is_allowed (bytes) ? realloc (ptr, bytes ? bytes : 1) : NULL;
}

void *esp_reallocarray (void *ptr, size_t count, size_t size)
{
    if (size && count > LARGEST / size)
        return NULL;
    return esp_realloc (ptr, count * size);
}

void esp_free (void *ptr)
{
    if (!ptr)
        return;
    atomic_fetch_sub_explicit (&live_blocks, 1, memory_order_relaxed);
    free (ptr);
}

char *esp_strdup (const char *text)
{
    return text ? esp_strndup (text, SIZE_MAX) : NULL;
}

char *esp_strndup (const char *text, size_t max)
{
    size_t len;
    char *copy;
    if (!text)
        return NULL;
    len = strnlen (text, max);
    if (!(copy = esp_malloc (len + 1)))
        return NULL;
    memcpy (copy, text, len);
    copy[len] = 0;
    return copy;
}

int esp_grow (void *array, size_t *capacity, size_t need, size_t size)
{
    size_t wanted = *capacity ? *capacity : FIRST_CAPACITY;
    void *ptr;
    if (need <= *capacity)
        return 0;
    while (wanted < need)
        wanted = wanted > SIZE_MAX / 2 ? need : wanted * 2;
    memcpy (&ptr, array, sizeof (ptr)); /* any T **; a cast would break strict aliasing */
    if (!(ptr = esp_reallocarray (ptr, wanted, size)))
        return -1;
    memcpy (array, &ptr, sizeof (ptr));
    *capacity = wanted;
    return 0;
}

void esp_alloc_fail_after (long n)
{
    atomic_store_explicit (&allowed, n, memory_order_relaxed);
}

long esp_alloc_live (void)
{
    return atomic_load_explicit (&live_blocks, memory_order_relaxed);
}
