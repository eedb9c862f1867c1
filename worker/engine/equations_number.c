/* SPDX-License-Identifier: Apache-2.0 */
/* equations_number.c - tokens that are numbers */

#include "worker/engine/equations_side.h"

bool token_is (const token *t, char symbol)
{
    return t->kind == TOKEN_OPERATOR && t->symbol == symbol;
}

bool token_is_whole (const token *t)
{
    return t->kind == TOKEN_NUMBER && t->symbol == 0 && t->decimals == 0;
}

bool tokens_are_fraction (const token *t)
{
    return token_is_whole (&t[0]) && token_is (&t[1], '/') && !t[1].spaced &&
           token_is_whole (&t[2]) && !t[2].spaced;
}

void token_value (const token *t, mpq_t value)
{
    char digits[64];
    size_t n = 0;
    if (t->symbol == '/' || t->symbol == 'f') { /* 1/2, or the two digits of \frac12 */
        mpq_set_ui (value, (unsigned long)(t->text.ptr[0] - '0'),
                    (unsigned long)(t->text.ptr[t->text.len - 1] - '0'));
        return;
    }
    for (size_t i = 0; i < t->text.len && n + 1 < sizeof (digits); i++)
        if (t->text.ptr[i] >= '0' && t->text.ptr[i] <= '9')
            digits[n++] = t->text.ptr[i];
    digits[n] = 0;
    mpz_set_str (mpq_numref (value), digits, 10);
    mpz_ui_pow_ui (mpq_denref (value), 10, t->decimals);
    mpq_canonicalize (value);
}
