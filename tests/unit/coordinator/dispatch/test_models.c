/* SPDX-License-Identifier: Apache-2.0 */
/* test_models.c - what coordinator/dispatch/models.h promises; what follows for workers is in test_dispatch_models.c */

#include "coordinator/dispatch/models.h"
#include <string.h>
#include "proto/base/alloc.h"
#include "tests/support/suite.h"

static void long_names_are_cut_and_clean (void)
{
    char why[MODELS_WHY], name[WIRE_NAME_MAX], model[WIRE_NAME_MAX], other[WIRE_NAME_MAX];
    wire_model has = {TASK_SCORE, span_make (name, sizeof (name)),
                      span_make (model, sizeof (model)), span_make (model, sizeof (model))};
    models *m = NULL;
    memset (name, 'n', sizeof (name));
    memset (model, 'm', sizeof (model));
    memset (other, '\x1b', sizeof (other));
    PASS (models_create (&m));
    PASS (models_take (m, 1, &has, why));
    PASS (models_take (m, 2, &has, why));
    has.model.ptr = has.server.ptr = other;
    FAILS (models_take (m, 3, &has, why), ESP_EINVAL);
    CHECK (strlen (why) < sizeof (why) && !strchr (why, '\x1b'));
    CHECK (strstr (why, "prm nnn") && strstr (why, "rank 1 has") && strstr (why, "rank 3 has") &&
           strstr (why, "which ranks serve"));
    models_destroy (m);
    models_destroy (NULL);
    CHECK (esp_alloc_live () == 0);
}

static void kinds_and_entries_are_told_apart (void)
{
    char why[MODELS_WHY];
    wire_model generator = {TASK_GENERATE, span_of (""), span_of ("a"), span_of ("http://a")};
    wire_model scorer = {TASK_SCORE, span_of (""), span_of ("b"), span_of ("http://b")};
    wire_model named = {TASK_GENERATE, span_of ("c"), span_of ("c"), span_of ("http://c")};
    models *m = NULL;
    PASS (models_create (&m));
    PASS (models_take (m, 1, &generator, why));
    PASS (models_take (m, 2, &scorer, why));
    PASS (models_take (m, 3, &named, why));
    scorer.model = span_of ("a");
    FAILS (models_take (m, 1, &scorer, why), ESP_EINVAL);
    CHECK (strstr (why, "prm: rank 2 has the model 'b' at http://b, but rank 1 has 'a'"));
    models_destroy (m);
}

static void more_entries_than_a_run_can_have_are_not_kept (void)
{
    char why[MODELS_WHY], name[8];
    models *m = NULL;
    PASS (models_create (&m));
    for (int i = 0; i < 2 * WIRE_MODELS_MAX; i++) {
        wire_model has = {TASK_SCORE,
                          {name, (size_t)snprintf (name, sizeof (name), "%d", i)},
                          span_of ("m"),
                          span_of ("s")};
        PASS (models_take (m, 1, &has, why));
    }
    models_destroy (m);
}

static void survives_failure_of_every_allocation (void)
{
    wire_model has = {TASK_SCORE, span_of ("e"), span_of ("m"), span_of ("s")};
    char why[MODELS_WHY];
    esp_err err = ESP_ENOMEM;
    for (long n = 0; err != ESP_OK && n < 10; n++) {
        models *m = NULL;
        esp_alloc_fail_after (n);
        err = models_create (&m);
        if (err == ESP_OK)
            err = models_take (m, 1, &has, why);
        models_destroy (m);
        esp_alloc_fail_after (-1);
        CHECK (esp_alloc_live () == 0);
    }
    CHECK (err == ESP_OK);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"long names are cut and clean", long_names_are_cut_and_clean},
        {"kinds and entries are told apart", kinds_and_entries_are_told_apart},
        {"more entries than a run can have are not kept",
         more_entries_than_a_run_can_have_are_not_kept},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("models", cases);
}
