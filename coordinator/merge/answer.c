/* SPDX-License-Identifier: Apache-2.0 */
/* answer.c - see answer.h */

#include "coordinator/merge/answer.h"

static span braced (span text, size_t open)
{
    int depth = 0;
    for (size_t i = open; i < text.len; i++) {
        depth += text.ptr[i] == '{' ? 1 : text.ptr[i] == '}' ? -1 : 0;
        if (depth == 0)
            return span_trim (span_make (text.ptr + open + 1, i - open - 1));
    }
    return span_make (text.ptr, 0);
}

span answer_of (span text)
{
    const span boxed = span_of ("\\boxed{"), hashes = span_of ("#### ");
    size_t at = span_find_last (text, boxed);
    if (at < text.len)
        return braced (text, at + boxed.len - 1);
    at = span_find_last (text, hashes);
    if (at < text.len) {
        span rest = span_make (text.ptr + at + hashes.len, text.len - at - hashes.len);
        return span_trim (span_make (rest.ptr, span_find (rest, span_of ("\n"))));
    }
    return span_make ("", 0);
}
