/* SPDX-License-Identifier: Apache-2.0 */
/* coq_text.c - see coq_text.h */

#include "worker/verifier/coq_text.h"
#include <stdio.h>
#include <string.h>
#include "worker/verifier/coq_lex.h"
#include "worker/verifier/proof_text.h"

/* ---- commands ---- */

/* Commands that read or write files, load code, leave the file, or switch checks of the kernel off.  The sandbox holds what they could
 * do and Print Assumptions shows the last; refusing them is policy, with a reason of its own. */
static const char *const forbidden[][3] = {
    {"Load"},
    {"Redirect"},
    {"Extraction"},
    {"ExtractionLibrary"},
    {"Cd"},
    {"Drop"},
    {"Quit"},
    {"LoadPath"},
    {"bypass_check"},
    {"ML", "Module"},
    {"ML", "Path"},
    {"ML", "Modules"},
    {"Guard", "Checking"},
    {"Positivity", "Checking"},
    {"Universe", "Checking"},
    {"Print", "Universes"},
    {"Sorted", "Universes"},
    {"Write", "State"},
    {"Restore", "State"},
    {"Profile", "Filename"},
};

static bool row_fits (const char *const *row, coq_token t, span rest)
{
    for (size_t i = 0; i < 3 && row[i]; i++) {
        if (t.kind != COQ_WORD || !span_is (t.text, row[i]))
            return false;
        t = coq_next (&rest);
    }
    return true;
}

const char *coq_forbidden (span text)
{
    coq_token t;
    while ((t = coq_next (&text)).kind != COQ_NOTHING)
        for (size_t i = 0; t.kind == COQ_WORD && i < sizeof (forbidden) / sizeof (forbidden[0]);
             i++)
            if (row_fits (forbidden[i], t, text))
                return forbidden[i][0];
    return NULL;
}

/* ---- sentences ---- */

static bool is_one_of (span word, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (span_is (word, words[i]))
            return true;
    return false;
}

/* The first word of a sentence behind attributes and what may stand in front of a command; *rest goes behind it. */
static span command_of (span *rest)
{
    static const char *const before[] = {"Local",       "Global",     "Program", "Polymorphic",
                                         "Monomorphic", "Cumulative", "Time",    NULL};
    coq_token t = coq_next (rest);
    while (t.kind == COQ_SIGN && span_is (t.text, "#")) {
        while (t.kind != COQ_NOTHING && !(t.kind == COQ_SIGN && span_is (t.text, "]")))
            t = coq_next (rest);
        t = coq_next (rest);
    }
    while (t.kind == COQ_WORD && is_one_of (t.text, before))
        t = coq_next (rest);
    return t.kind == COQ_WORD ? t.text : span_of ("");
}

static bool states_theorem (span sentence, span *name)
{
    static const char *const words[] = {"Theorem",     "Lemma",    "Fact",    "Remark", "Corollary",
                                        "Proposition", "Property", "Example", NULL};
    coq_token t;
    if (!is_one_of (command_of (&sentence), words))
        return false;
    t = coq_next (&sentence);
    *name = t.text;
    return t.kind == COQ_WORD;
}

typedef struct statement {
    span before, sentence, name; /* what stands in front of it goes to the header */
} statement;

static bool find_statement (span text, statement *out)
{
    span rest = text, sentence;
    while (coq_sentence (&rest, &sentence))
        if (states_theorem (sentence, &out->name)) {
            out->before = span_make (text.ptr, (size_t)(sentence.ptr - text.ptr));
            out->sentence = sentence;
            return true;
        }
    return false;
}

/* A whole file: it begins with a command and states a theorem of this name itself.  What it states is seen in the check. */
static bool is_whole (span text, span name)
{
    static const char *const tops[] = {
        "Require",     "From",       "Import",      "Export",    "Open",     "Set",
        "Unset",       "Theorem",    "Lemma",       "Fact",      "Remark",   "Corollary",
        "Proposition", "Property",   "Example",     "Ltac",      "Notation", "Definition",
        "Fixpoint",    "Inductive",  "CoInductive", "Record",    "Section",  "Module",
        "Axiom",       "Parameter",  "Hypothesis",  "Variable",  "Context",  "Instance",
        "Hint",        "Coercion",   "Arguments",   "Canonical", "Class",    "Structure",
        "Infix",       "Declare",    "Reserved",    "Scheme",    "Axioms",   "Parameters",
        "Variables",   "Hypotheses", "Conjecture",  NULL};
    span rest = text, sentence, its;
    bool first = true;
    while (coq_sentence (&rest, &sentence)) {
        span inside = sentence;
        if (first && !is_one_of (command_of (&inside), tops))
            return false;
        first = false;
        if (states_theorem (sentence, &its) && span_equal (its, name))
            return true;
    }
    return false;
}

static bool begins_with_proof (span text)
{
    return span_is (command_of (&text), "Proof");
}

static bool is_ended (span text)
{
    static const char *const ends[] = {"Qed", "Defined", "Admitted", "Abort", "Save", "End", NULL};
    span sentence, last = span_of ("");
    while (coq_sentence (&text, &sentence))
        last = sentence;
    return is_one_of (command_of (&last), ends);
}

/* ---- files ---- */

static esp_err add_line (esp_buf *out, span text)
{
    esp_err err = esp_buf_add (out, text);
    return err == ESP_OK ? esp_buf_puts (out, "\n") : err;
}

/* Header, what stands in front of the statement, and with `state` the statement. */
static esp_err add_problem (esp_buf *out, span header, const statement *s, bool state)
{
    esp_err err = add_line (out, header);
    if (err == ESP_OK)
        err = add_line (out, s->before);
    if (err == ESP_OK && state)
        err = esp_buf_add (out, s->sentence);
    if (err == ESP_OK && state && !span_ends (s->sentence, "."))
        err = esp_buf_puts (out, ".");
    return err == ESP_OK && state ? esp_buf_puts (out, "\n") : err;
}

static esp_err
write_candidate (span header, const statement *s, span text, esp_buf *out, coq_case *c)
{
    bool whole = is_whole (text, s->name);
    esp_err err = add_problem (out, header, s, !whole);
    if (err == ESP_OK && !whole && !begins_with_proof (text))
        err = esp_buf_puts (out, "Proof.\n");
    c->first_line = 1 + proof_lines (esp_buf_span (out));
    c->last_line = c->first_line + proof_lines (text);
    if (err == ESP_OK)
        err = add_line (out, text);
    if (err == ESP_OK && !is_ended (text))
        err = esp_buf_puts (out, "Qed.\n");
    return err;
}

static esp_err write_check (span header, const statement *s, esp_buf *out, coq_case *c)
{
    esp_err err = add_problem (out, header, s, true);
    if (err == ESP_OK)
        err = esp_buf_printf (out,
                              "Proof. Admitted.\n"
                              "Definition espalier_type := ltac:(let T := type of %s in exact T).\n"
                              "Print Assumptions espalier_type.\n",
                              c->name);
    c->require_line = 1 + proof_lines (esp_buf_span (out));
    c->chk_line = c->require_line + 1;
    if (err == ESP_OK)
        err = esp_buf_printf (out,
                              "Require " COQ_CANDIDATE ".\n"
                              "Definition espalier_chk := ltac:(let T := type of %s in exact "
                              "(" COQ_CANDIDATE ".%s : T)).\n"
                              "Print Assumptions espalier_chk.\n",
                              c->name, c->name);
    return err;
}

/* Two files with such a header do not speak of the same thing, though every word is equal. */
static bool defines_types (span text)
{
    static const char *const words[] = {"Inductive",  "CoInductive", "Variant",    "Record",
                                        "Structure",  "Class",       "Module",     "Axiom",
                                        "Axioms",     "Parameter",   "Parameters", "Variable",
                                        "Hypothesis", "Conjecture",  NULL};
    coq_token t;
    while ((t = coq_next (&text)).kind != COQ_NOTHING)
        if (t.kind == COQ_WORD && is_one_of (t.text, words))
            return true;
    return false;
}

static esp_err write_files (span header, span formal, span text, esp_buf *candidate, esp_buf *check,
                            coq_case *out, const char **reason)
{
    statement s;
    esp_err err;
    if (!find_statement (formal, &s)) {
        *reason = "no-theorem";
        return ESP_OK;
    }
    if (s.name.len >= sizeof (out->name)) {
        *reason = "bad-problem";
        return ESP_OK;
    }
    snprintf (out->name, sizeof (out->name), "%.*s", (int)s.name.len, s.name.ptr);
    out->new_types = defines_types (header) || defines_types (s.before);
    err = write_candidate (header, &s, text, candidate, out);
    return err == ESP_OK ? write_check (header, &s, check, out) : err;
}

esp_err coq_files (span json, span text, esp_buf *candidate, esp_buf *check, coq_case *out,
                   const char **reason, const char **word)
{
    static const char *const marks[] = {"coq", "Coq", "rocq", "v", NULL};
    esp_buf header = {0}, formal = {0};
    esp_err err = proof_problem (json, &header, &formal);
    text = proof_block (text, marks);
    *word = err == ESP_OK ? coq_forbidden (text) : NULL;
    *reason = err == ESP_ENOENT                          ? "no-theorem"
              : err == ESP_EFORMAT || err == ESP_ETOOBIG ? "bad-problem"
              : text.len > PROOF_TEXT_MOST               ? "proof-too-long"
              : *word                                    ? "forbidden-command"
                                                         : NULL;
    if (*reason)
        err = ESP_OK;
    else if (err == ESP_OK)
        err = write_files (esp_buf_span (&header), esp_buf_span (&formal), text, candidate, check,
                           out, reason);
    esp_buf_free (&header);
    esp_buf_free (&formal);
    return err;
}
