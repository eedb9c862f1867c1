/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_PROMPT_SHAPE_INNER_H
#define ESP_WORKER_PROMPT_SHAPE_INNER_H

/* shape_inner.h - what the shapes share; for the files of this folder only
 *
 * shape_*.c (one server's JSON) > reply_json.c (values of an answer, checked) > reply.c (samples).
 * Everywhere: values are borrowed, NULL and null are "not there", why may be NULL.
 */

#include "worker/prompt/shape.h"

struct json_t; /* jansson's */
struct json_out;

enum { REPLY_MOST_N = 1024 };

extern const gen_shape shape_openai, shape_vllm, shape_sglang, shape_llamacpp;

/* ---- reply.c: into a sample ---- */

/* Errors of all: ESP_EFORMAT with a sentence, ESP_ENOMEM. */
ESP_MUST_CHECK esp_err reply_add_text (const gen_reply *r, gen_sample *s, span text,
                                       esp_error *why);
/* One more token.  logprob: NaN = not given. */
ESP_MUST_CHECK esp_err reply_add_token (const gen_reply *r, gen_sample *s, uint32_t id,
                                        double logprob, esp_error *why);
/* So many more tokens of which nothing else is known. */
ESP_MUST_CHECK esp_err reply_add_count (const gen_reply *r, gen_sample *s, size_t count,
                                        esp_error *why);
/* An alternative of the last token; kept if it is among the likeliest. */
ESP_MUST_CHECK esp_err reply_add_top (const gen_reply *r, gen_sample *s, uint32_t id,
                                      double logprob, esp_error *why);
/* The sample ends.  stop: with GEN_STOP the text that the server names.  One that was not asked for ended the
 * model's turn: it is GEN_EOS, and no part of the text.  GEN_STOPPED becomes what can be known. */
ESP_MUST_CHECK esp_err reply_end (gen_reply *r, gen_sample *s, enum gen_finish finish, span stop,
                                  esp_error *why);
uint32_t reply_number (const gen_reply *r, const gen_sample *s); /* of a sample, for sentences */

/* ---- reply_json.c: out of JSON ---- */

/* *root is the caller's to release.  Errors: and ESP_EENGINE: it is an error object. */
ESP_MUST_CHECK esp_err reply_parse (const gen_reply *r, span json, struct json_t **root,
                                    esp_error *why);
/* The same without lists of ids: those named `drop`; and those named `ids` are counted, unless ids were asked for. */
ESP_MUST_CHECK esp_err reply_parse_thin (const gen_reply *r, span json, const char *drop,
                                         const char *ids, struct json_t **root, esp_error *why);
/* How many ids: of a list, or as reply_parse_thin() counted them; 0 if there are none. */
size_t reply_id_count (const struct json_t *ids);
/* ESP_EENGINE if it is an error object. */
ESP_MUST_CHECK esp_err reply_no_error (const struct json_t *object, esp_error *why);
/* The sample of an index, or of its place in the answer if it has none.
 * ESP_EFORMAT: out of range, or the sample has ended already. */
ESP_MUST_CHECK esp_err reply_sample (gen_reply *r, const struct json_t *index, size_t place,
                                     gen_sample **out, esp_error *why);
ESP_MUST_CHECK esp_err reply_take_text (const gen_reply *r, gen_sample *s,
                                        const struct json_t *text, esp_error *why);
ESP_MUST_CHECK esp_err reply_take_token (const gen_reply *r, gen_sample *s, const struct json_t *id,
                                         const struct json_t *logprob, esp_error *why);
ESP_MUST_CHECK esp_err reply_take_top (const gen_reply *r, gen_sample *s, const struct json_t *id,
                                       const struct json_t *logprob, esp_error *why);
/* The same of an entry {"token_id:123": logprob}, or {text: logprob}: without id. */
ESP_MUST_CHECK esp_err reply_take_named_top (const gen_reply *r, gen_sample *s, const char *name,
                                             const struct json_t *logprob, esp_error *why);
/* The content of the last of the messages that were sent.  Errors: ESP_ENOMEM. */
ESP_MUST_CHECK esp_err reply_take_prefill (gen_reply *r, span messages);
void reply_take_model (gen_reply *r, const struct json_t *name);
/* Keep the larger one; anything but a whole number that fits is passed over. */
void reply_take_count (uint32_t *count, const struct json_t *number);
span reply_span (const struct json_t *text); /* empty if it is no string */

/* ---- shape_openai.c: for servers that speak it with additions ---- */

/* How the word "stop" is told from the end of the sequence. */
enum openai_stop {
    OPENAI_UNSAID, /* a name is believed, no name proves nothing */
    OPENAI_NAMED /* choices[].stop_reason or .matched_stop: text = stop text; number or null = end */
};
ESP_MUST_CHECK esp_err openai_read (gen_reply *r, span json, enum openai_stop stop, bool reasoning,
                                    esp_error *why);

void openai_write_messages (const gen_ask *ask, struct json_out *o);

/* ---- shape_table.c: requests ---- */

/* Can it be asked of this kind of server at all?  ESP_OK or ESP_EUNSUPPORTED. */
ESP_MUST_CHECK esp_err shape_allows (const gen_shape *shape, const gen_ask *ask);
double shape_temperature (const gen_ask *ask); /* as it is sent */

/* ---- refusal.c ---- */

/* The sentence of an error object, as refusal_of has it; "" if it has none. */
void refusal_says (const struct json_t *root, char *says, size_t says_size);

#endif
