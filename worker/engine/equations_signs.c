/* SPDX-License-Identifier: Apache-2.0 */
/* equations_signs.c - signs of Unicode and commands of LaTeX, each one row */

#include "worker/engine/equations_tokens.h"

static const sign signs[] = {
    {"\xc3\x97", SIGN_TOKEN, TOKEN_OPERATOR, '*', NULL},     /* multiplication sign */
    {"\xe2\x9c\x95", SIGN_TOKEN, TOKEN_OPERATOR, '*', NULL}, /* multiplication x */
    {"\xe2\x9c\x96", SIGN_TOKEN, TOKEN_OPERATOR, '*', NULL},
    {"\xe2\x8b\x85", SIGN_TOKEN, TOKEN_OPERATOR, '*', NULL}, /* dot operator */
    {"\xc2\xb7", SIGN_TOKEN, TOKEN_OPERATOR, '*', NULL},     /* middle dot */
    {"\xe2\x88\x97", SIGN_TOKEN, TOKEN_OPERATOR, '*', NULL},
    {"\xc3\xb7", SIGN_TOKEN, TOKEN_OPERATOR, '/', NULL},     /* division sign */
    {"\xe2\x88\x95", SIGN_TOKEN, TOKEN_OPERATOR, '/', NULL}, /* division slash */
    {"\xe2\x81\x84", SIGN_TOKEN, TOKEN_OPERATOR, '/', NULL}, /* fraction slash */
    {"\xe2\x88\x92", SIGN_TOKEN, TOKEN_OPERATOR, '-', NULL}, /* minus sign */
    {"\xe2\x80\x93", SIGN_TOKEN, TOKEN_OPERATOR, '-', NULL}, /* en dash */
    {"\xe2\x80\x91", SIGN_TOKEN, TOKEN_OPERATOR, '-', NULL}, /* hard hyphen */
    {"\xe2\x80\x94", SIGN_TOKEN, TOKEN_STOP, 0, NULL},       /* em dash */
    {"\xe2\x89\x88", SIGN_TOKEN, TOKEN_EQUAL, '~', NULL},    /* almost equal */
    {"\xe2\x89\x83", SIGN_TOKEN, TOKEN_EQUAL, '~', NULL},
    {"\xe2\x89\x85", SIGN_TOKEN, TOKEN_EQUAL, '~', NULL},
    {"\xe2\x89\xa0", SIGN_TOKEN, TOKEN_STOP, 0,
     NULL}, /* not equal, at most, at least, arrows, therefore */
    {"\xe2\x89\xa4", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"\xe2\x89\xa5", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"\xe2\x86\x92", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"\xe2\x87\x92", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"\xe2\x88\xb4", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"\xe2\x80\xa2", SIGN_TOKEN, TOKEN_STOP, 0, NULL}, /* bullet */
    {"\xe2\x88\x9a", SIGN_TOKEN, TOKEN_ROOT, 0, NULL},
    {"\xe2\x82\xac", SIGN_TOKEN, TOKEN_CURRENCY, 0, NULL}, /* euro, pound, yen, rupee */
    {"\xc2\xa3", SIGN_TOKEN, TOKEN_CURRENCY, 0, NULL},
    {"\xc2\xa5", SIGN_TOKEN, TOKEN_CURRENCY, 0, NULL},
    {"\xe2\x82\xb9", SIGN_TOKEN, TOKEN_CURRENCY, 0, NULL},
    {"\xc2\xbd", SIGN_NUMBER, TOKEN_NUMBER, '/', "1/2"},
    {"\xc2\xbc", SIGN_NUMBER, TOKEN_NUMBER, '/', "1/4"},
    {"\xc2\xbe", SIGN_NUMBER, TOKEN_NUMBER, '/', "3/4"},
    {"\xe2\x85\x93", SIGN_NUMBER, TOKEN_NUMBER, '/', "1/3"},
    {"\xe2\x85\x94", SIGN_NUMBER, TOKEN_NUMBER, '/', "2/3"},
    {"\xe2\x85\x9b", SIGN_NUMBER, TOKEN_NUMBER, '/', "1/8"},
    {"\xc2\xb2", SIGN_POWER, TOKEN_OPERATOR, '^', "2"},
    {"\xc2\xb3", SIGN_POWER, TOKEN_OPERATOR, '^', "3"},
    {"\xe2\x80\xa6", SIGN_TOKEN, TOKEN_BAD, 0, NULL}, /* ellipsis */
    {"\xcf\x80", SIGN_TOKEN, TOKEN_BAD, 0, NULL},     /* pi */
    {"\xe2\x88\x9e", SIGN_TOKEN, TOKEN_BAD, 0, NULL}, /* infinity */
    {"\xe2\x80\x9c", SIGN_SKIP, TOKEN_STOP, 0, NULL}, /* quotation marks */
    {"\xe2\x80\x9d", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"\xc2\xa0", SIGN_SPACE, TOKEN_STOP, 0, NULL}, /* spaces that do not break, thin ones */
    {"\xe2\x80\x89", SIGN_SPACE, TOKEN_STOP, 0, NULL},
    {"\xe2\x80\x8b", SIGN_SPACE, TOKEN_STOP, 0, NULL},
    {"\xe2\x80\xaf", SIGN_SPACE, TOKEN_STOP, 0, NULL},
};

static const sign commands[] = {
    {"times", SIGN_TOKEN, TOKEN_OPERATOR, '*', NULL},
    {"cdot", SIGN_TOKEN, TOKEN_OPERATOR, '*', NULL},
    {"ast", SIGN_TOKEN, TOKEN_OPERATOR, '*', NULL},
    {"div", SIGN_TOKEN, TOKEN_OPERATOR, '/', NULL},
    {"frac", SIGN_TOKEN, TOKEN_FRACTION, 0, NULL},
    {"dfrac", SIGN_TOKEN, TOKEN_FRACTION, 0, NULL},
    {"tfrac", SIGN_TOKEN, TOKEN_FRACTION, 0, NULL},
    {"cfrac", SIGN_TOKEN, TOKEN_FRACTION, 0, NULL},
    {"sqrt", SIGN_TOKEN, TOKEN_ROOT, 0, NULL},
    {"approx", SIGN_TOKEN, TOKEN_EQUAL, '~', NULL},
    {"simeq", SIGN_TOKEN, TOKEN_EQUAL, '~', NULL},
    {"cong", SIGN_TOKEN, TOKEN_EQUAL, '~', NULL},
    {"left", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"right", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"big", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"Big", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"text", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"textbf", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"textit", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"mathrm", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"mathbf", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"mbox", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"boxed", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"fbox", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"displaystyle", SIGN_SKIP, TOKEN_STOP, 0, NULL},
    {"quad", SIGN_SPACE, TOKEN_STOP, 0, NULL},
    {"qquad", SIGN_SPACE, TOKEN_STOP, 0, NULL},
    {"therefore", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"implies", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"Rightarrow", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"rightarrow", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"to", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"le", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"leq", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"ge", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"geq", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"ne", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
    {"neq", SIGN_TOKEN, TOKEN_STOP, 0, NULL},
};

size_t sign_length (unsigned char lead)
{
    return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
}

const sign *sign_find (span text)
{
    for (size_t i = 0; i < sizeof (signs) / sizeof (signs[0]); i++)
        if (span_starts (text, signs[i].text))
            return &signs[i];
    return NULL;
}

const sign *command_find (span name)
{
    for (size_t i = 0; i < sizeof (commands) / sizeof (commands[0]); i++)
        if (span_is (name, commands[i].text))
            return &commands[i];
    return NULL;
}
