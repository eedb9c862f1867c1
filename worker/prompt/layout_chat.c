/* SPDX-License-Identifier: Apache-2.0 */
/* layout_chat.c - turns of a conversation, in the templates of the models that PRMs are made from
 *
 * Written by hand and not by the server's template: a PRM's place to read must be known to the byte.  deepseek is that of the R1
 * distillates, llama3 that of Llama 3.1 (dates and all) and mistral that of Mistral 7B.
 */

#include "worker/prompt/layout.h"
#include <string.h>
#include "worker/prompt/layout_inner.h"

static const layout_chat chats[] = {
    {.name = "raw",
     .bos = "",
     .system = "",
     .system_end = "\n\n",
     .user = "",
     .user_end = "\n\n",
     .assistant = "",
     .assistant_end = "\n\n"},
    {.name = "chatml",
     .bos = "",
     .system = "<|im_start|>system\n",
     .system_end = "<|im_end|>\n",
     .user = "<|im_start|>user\n",
     .user_end = "<|im_end|>\n",
     .assistant = "<|im_start|>assistant\n",
     .assistant_end = "<|im_end|>\n",
     .marks = {"<|"}},
    {.name = "llama3",
     .bos = "<|begin_of_text|>",
     .system = "<|start_header_id|>system<|end_header_id|>\n\n",
     .system_end = "<|eot_id|>",
     .user = "<|start_header_id|>user<|end_header_id|>\n\n",
     .user_end = "<|eot_id|>",
     .assistant = "<|start_header_id|>assistant<|end_header_id|>\n\n",
     .assistant_end = "<|eot_id|>",
     .marks = {"<|"}},
    {.name = "mistral",
     .bos = "<s>",
     .system = "",
     .system_end = "\n\n",
     .user = "[INST] ",
     .user_end = " [/INST]",
     .assistant = "",
     .assistant_end = "</s>",
     .marks = {"[INST]", "[/INST]", "<s>", "</s>"}},
    {.name = "deepseek",
     .bos = "<\xef\xbd\x9c"
            "begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
     .system = "",
     .system_end = "",
     .user = "<\xef\xbd\x9cUser\xef\xbd\x9c>",
     .user_end = "",
     .assistant = "<\xef\xbd\x9c"
                  "Assistant\xef\xbd\x9c>",
     .assistant_end = "<\xef\xbd\x9c"
                      "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
     .marks = {"<\xef\xbd\x9c"}},
};

enum { CHATS = sizeof (chats) / sizeof (chats[0]) };

const layout_chat *layout_chat_at (size_t index)
{
    return index < CHATS ? &chats[index] : NULL;
}

const layout_chat *layout_chat_find (const char *name)
{
    for (size_t i = 0; i < CHATS; i++)
        if (strcmp (chats[i].name, name) == 0)
            return &chats[i];
    return NULL;
}

esp_err layout_turn_open (const layout_plan *plan, char role, esp_buf *out)
{
    const layout_chat *c = plan->chat;
    return esp_buf_puts (out, role == 's' ? c->system : role == 'u' ? c->user : c->assistant);
}

esp_err layout_turn_end (const layout_plan *plan, char role, esp_buf *out)
{
    const layout_chat *c = plan->chat;
    return esp_buf_puts (out, role == 's'   ? c->system_end
                              : role == 'u' ? c->user_end
                                            : c->assistant_end);
}
