/* SPDX-License-Identifier: Apache-2.0 */
/* test_engine_table.c - engines are found by name and role */

// LINK: esp_engine_table

#include <string.h>
#include "tests/support/suite.h"
#include "worker/engine/engine.h"

static void a_name_without_the_role_is_not_found (void)
{
    CHECK (engine_find (NULL, ENGINE_PRM) == NULL);
    CHECK (engine_find ("", ENGINE_PRM) == NULL);
    CHECK (engine_find ("fake", 0) == NULL);
    CHECK (engine_find ("puzzle", ENGINE_GENERATOR | ENGINE_PRM) == NULL);
    CHECK (engine_find ("embedded", ENGINE_VERIFIER) == NULL);
    CHECK (engine_at (1000) == NULL);
}

static void every_row_is_whole_and_finds_itself (void)
{
    size_t rows = 0;
    for (const engine_kind *k; (k = engine_at (rows)); rows++) {
        CHECK (k->name && k->open && k->start && k->close && (k->poll || !k->cancel));
        CHECK ((k->options != NULL) == (k->option_bytes > 0));
        for (unsigned role = 1; role <= ENGINE_VERIFIER; role <<= 1) {
            const engine_kind *found = engine_find (k->name, role);
            if (found &&
                !(k->roles & role)) /* generator and PRM are two rows: only one has options */
                CHECK (strcmp (k->name, "embedded") == 0 && (found->roles & k->roles) == 0);
            else
                CHECK (found == (k->roles & role ? k : NULL));
        }
    }
    CHECK (rows >= 4);
}

static void engines_say_which_problems_they_can_do (void)
{
    const engine_kind *k = engine_find ("embedded", ENGINE_PRM);
    esp_error error = {0};
    PASS (k->check_problem ((span){"{\"numbers\": [1, 2, 3], \"target\": 6}", 35}, &error));
    FAILS (k->check_problem ((span){"{}", 2}, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, "numbers") != NULL);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"a name without the role is not found", a_name_without_the_role_is_not_found},
        {"every row is whole and finds itself", every_row_is_whole_and_finds_itself},
        {"engines say which problems they can do", engines_say_which_problems_they_can_do},
        {NULL, NULL},
    };
    return suite_main ("engine_table", cases);
}
