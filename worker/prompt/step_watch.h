/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_STEP_WATCH_H
#define ESP_WORKER_PROMPT_STEP_WATCH_H

/* step_watch.h - is the step complete in a text that grows (a stream)?
 *
 * step_rule_complete (PIECE_STOPPED) at each length, without reading the whole text each time: a watch remembers the
 * marks it passed and the first place where a match may begin that more text decides.  Most such places are the last
 * few bytes.  Where a long part stays open ("a.*b" with one early a) it is read again only when an eighth of it has
 * come anew, so all looks together read less than 28 times the text, whatever the pieces; the step is then seen to
 * be complete that much later, and is the same.
 *
 * Ownership: plain memory, none.  Threads: that of the rule.
 */

#include "worker/prompt/step_rule.h"

typedef struct step_watch { /* zero: nothing seen; the fields are step_cut.c's */
    const step_rule *rule;
    span text;
    size_t at;       /* behind the last mark */
    size_t from;     /* no match begins between `at` and here */
    size_t chunk;    /* where the chunk of the token rule began */
    uint64_t length; /* characters of content so far */
    uint64_t piece;  /* of them since the last separator */
    uint64_t met;    /* separators or matches with content before them */
    uint64_t
        read_bytes; /* that patterns were given, all looks together: what tests hold against the text */
    size_t next_bytes; /* the next look is worth its cost when the text has so many */
    bool thinking;
    bool more;     /* text may follow */
    bool by_bytes; /* chunks are cut here; else whoever generates counts tokens */
    bool done;
} step_watch;

/* so_far: all of the step's text, which begins with what was seen before; thinking: where it begins.  True: the step is
 * complete, and so it stays. */
bool step_watch_look (step_watch *w, const step_rule *r, bool thinking, span so_far);

#endif
