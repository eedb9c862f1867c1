/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_BASE_PREFETCH_H
#define ESP_PROTO_BASE_PREFETCH_H

/* prefetch.h - ask for memory that will be needed soon
 *
 * With 10,000 workers and a million open nodes nothing is in the cache when its turn comes; several fetches at once cost
 * what one costs.  Never changes what a program does; any address is allowed.
 */

#include <stddef.h>

enum { ESP_CACHE_LINE = 64 }; /* bytes; a wrong number only costs time */

static inline void esp_prefetch (const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += ESP_CACHE_LINE)
        __builtin_prefetch ((const char *)from + i);
}

#endif
