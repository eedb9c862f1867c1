/* SPDX-License-Identifier: Apache-2.0 */
/* layout_shepherd.c - Math-Shepherd: the token that follows a Cyrillic tag is + or -
 *
 * Wang et al., "Math-Shepherd", arXiv 2312.08935, and the card of peiyi9979/math-shepherd-mistral-7b-prm: the logits of the ids of
 * + and - (648, 387) at the position of the tag (12902), softmax over the two.  No chat; the server's tokenizer adds the BOS.
 */

#include "worker/prompt/layout_inner.h"

static esp_err shepherd_write (const layout_plan *plan, const layout_path *path, esp_buf *out)
{
    char behind[64];
    span tag = esp_utf8_cut (span_of (plan->tag), sizeof (behind) - 2);
    esp_err err = layout_put (plan, path->problem, out);
    behind[0] = ' ';
    for (size_t i = 0; i < tag.len; i++)
        behind[1 + i] = tag.ptr[i];
    behind[1 + tag.len] = 0;
    if (err == ESP_OK)
        err = esp_buf_puts (out, " ");
    if (err == ESP_OK)
        err = layout_numbered (plan, path, behind, out);
    /* the place behind the last tag exists only if a token stands there */
    return err == ESP_OK && plan->reading == READ_PATH ? esp_buf_puts (out, "\n") : err;
}

const layout layout_math_shepherd = {.name = "math-shepherd",
                                     .about = "Math-Shepherd: + or - behind each tag",
                                     .readings = READ_ROWS | READ_NEXT | READ_LAST | READ_PATH,
                                     .chat = "raw",
                                     .tag = "\xd0\xba\xd0\xb8",
                                     .split = "\n",
                                     .good = {"+"},
                                     .bad = {"-"},
                                     .marks = {"<s>", "</s>", "[INST]", "[/INST]"},
                                     .tag_id = 12902,
                                     .good_id = 648,
                                     .bad_id = 387,
                                     .column = 0,
                                     .norm = NORM_PROBABILITY,
                                     .write = shepherd_write};
