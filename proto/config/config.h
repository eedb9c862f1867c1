/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_CONFIG_CONFIG_H
#define ESP_PROTO_CONFIG_CONFIG_H

/* config.h - the run file: YAML in, option structs out
 *
 * A run file is a map of sections (run, problems, search, generator, prm, verifier,
 * step, prompt, vote, workers, dispatch, journal, observe, log, samples).  The caller reads the file, applies
 * `section.key=value` overrides, binds each section to option tables, and at
 * the end asks for keys that nobody bound: those are mistakes.  All mistakes
 * are collected, each with file and line, so that a user sees them at once.
 *
 *     config_read (path, &c, &error);
 *     config_override (c, "search.keep=8", &error);
 *     config_bind (c, "search", tables, structs, 2);   // core rows + the strategy's rows
 *     config_check_unknown (c);
 *     if (config_mistakes (c, &text) > 0) ...
 *
 * A section may also be a list of maps (samples: [...]); config_section_count tells
 * how many, and config_bind_at binds one.  A key may be nested (budget: {generations: 9}) or
 * dotted (budget.generations: 9): both are the option row "budget.generations".
 *
 * A key without a value ("url:", "url: ~", an override "generator.url=") counts as absent: it takes
 * its fallback; "" is the empty text.  A section without a value is an empty map.
 *
 * A file may extend others: `extends: base.yaml`, or a list of names, each relative to the file that says it.  They
 * are read before it, in that order; what comes later wins, key by key.  A key without a value takes the base's key, and all inside
 * it, away, whatever it is.  A section that is a list, in either file, is replaced whole; a section without a value changes
 * nothing.  At most 8 files above each other, 64 in all; no circles.
 *
 * Ownership: strings in bound structs are borrowed from the config object; option tables must outlive it.
 * A row's fallback must itself be valid for the row (assert); for text and lists it is read as YAML, or
 * taken as it stands where that gives no text.  min <= -1e15 or max >= 1e15 reads "at least", "at most".
 * Threads: none.  Limits: 1 MiB a file, depth 16, 10,000 keys; no anchors or aliases, no tags.
 */

#include "proto/base/err.h"
#include "proto/base/option.h"
#include "proto/base/text.h"

typedef struct config config; /* private to config_*.c */

/* Read and parse path and what it extends.  Errors (sentence with path:line:column): ESP_ENOENT, ESP_EPERMISSION,
 * ESP_ETOOBIG, ESP_EFORMAT (empty, not YAML, not a map, a key twice, not UTF-8), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err config_read (const char *path, config **out, esp_error *error);
/* The same from memory; name stands for the path in messages.  Such a text cannot extend a file: ESP_EFORMAT. */
ESP_MUST_CHECK esp_err config_parse (span yaml, const char *name, config **out, esp_error *error);
void config_destroy (config *c); /* accepts NULL */

/* "section.key=value" or "section.a.b=value", "section[1].key=value" for an item of a list; the value is YAML (numbers, true, [a, b], {a: 1}, text).
 * Replaces what the file says about that key and all inside it; without a value it takes that away.  Call before binding.  Sentences begin
 * "override 3 'search.keep=8':", counted from the first call.  Errors: ESP_EFORMAT (no '=', no section, bad
 * value, no such item); names that nobody knows are found by config_check_unknown. */
ESP_MUST_CHECK esp_err config_override (config *c, const char *assignment, esp_error *error);

/* 0 = absent or an empty list, 1 = a map (or a list of one), n = a list of n maps. */
size_t config_section_count (const config *c, const char *section);

/* Text of one scalar, before binding ("search.strategy", to choose the table), or NULL. */
const char *config_peek (const config *c, const char *dotted);
const char *config_peek_at (const config *c, const char *section, size_t index, const char *key);

/* Fill structs[i] from the rows of tables[i] (each ends with ESP_OPTION_END); a key absent from the
 * file takes its fallback.  Mistakes (wrong type, out of range, unknown choice with the nearest one,
 * required but absent) are added to the list and the field takes its fallback.  A section may be bound
 * several times; a key in two tables fills both structs and is written once.  config_bind wants a map
 * (or a list of one); config_bind_at also fills from an absent item: all fallbacks.
 * Errors: ESP_EINVAL (NULL), ESP_ENOMEM. */
ESP_MUST_CHECK esp_err config_bind (config *c, const char *section, const esp_option *const *tables,
                                    void *const *structs, size_t count);
ESP_MUST_CHECK esp_err config_bind_at (config *c, const char *section, size_t index,
                                       const esp_option *const *tables, void *const *structs,
                                       size_t count);

/* Keep a section as it stands for others to read later: its keys count as known and are written by
 * config_resolved; identity and resume do not see those that no table binds. */
ESP_MUST_CHECK esp_err config_accept_section (config *c, const char *section);

/* Every key and section that no bind claimed becomes a mistake, with the nearest known name. */
ESP_MUST_CHECK esp_err config_check_unknown (config *c);

/* Add a mistake of the caller's own about a key: "search.keep", "samples[1].format" or a section, and a
 * sentence; the config finds the line. */
ESP_MUST_CHECK esp_err config_mistake (config *c, const char *dotted, const char *format, ...)
    ESP_PRINTF (3, 4);

/* "section.key: sentence" of a module's own check becomes one at that key; a sentence without a key at `otherwise`. */
ESP_MUST_CHECK esp_err config_mistake_of (config *c, const char *otherwise, const esp_error *error);

/* Number of mistakes; *text (may be NULL) is one line each, "run.yaml:7: search.kepe: unknown key; did you mean
 * keep?", borrowed until the next call that adds one. */
size_t config_mistakes (const config *c, const char **text);

/* The resolved run file: YAML with every bound key at its value, sections and keys in bound order; reading
 * it again gives the same structs.  Keys are dotted; a key that is absent and has no fallback is left
 * out.  Appends to out; ESP_ENOMEM changes nothing. */
ESP_MUST_CHECK esp_err config_resolved (const config *c, esp_buf *out);

/* Hash over the resolved keys that are ESP_OPT_FIXED: names the run. */
ESP_MUST_CHECK esp_err config_identity (const config *c, uint64_t *out);

/* May a run that was started with `before` go on with `now` (both bound)?  ESP_OK, or ESP_ECONFLICT with
 * a sentence that names the first key, both values and the rule.  Growing numbers may not shrink (0 = no
 * limit); growing lists keep their first items; a growing text may change, its user checks what is in it. */
ESP_MUST_CHECK esp_err config_may_resume (const config *before, const config *now,
                                          esp_error *error);

/* --help and docs/runfile.md: the rows of one table as aligned text, or as a Markdown table. */
ESP_MUST_CHECK esp_err config_help (const char *section, const char *title, const esp_option *table,
                                    esp_buf *out);
ESP_MUST_CHECK esp_err config_markdown (const char *section, const char *title,
                                        const esp_option *table, esp_buf *out);

#endif
