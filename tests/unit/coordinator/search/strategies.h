/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_TESTS_UNIT_COORDINATOR_SEARCH_STRATEGIES_H
#define ESP_TESTS_UNIT_COORDINATOR_SEARCH_STRATEGIES_H

/* strategies.h - a real strategy in the small world, set up by a run-file section */

#include "proto/config/config.h"
#include "tests/unit/coordinator/search/world.h"

typedef struct player {
    world w;
    config *config; /* owned */
    void *options;  /* owned */
} player;

/* section: "strategy: beam, keep: 2".  Errors: what config says (a test prints it). */
static inline esp_err player_read (player *p, const char *section)
{
    const esp_option *tables[2] = {search_option_rows, NULL};
    search_options core;
    void *structs[2] = {&core, NULL};
    const strategy *how;
    esp_error error = {0};
    const char *mistakes = "";
    char yaml[600];
    esp_err err;
    *p = (player){.config = NULL};
    snprintf (yaml, sizeof (yaml), "search: {%s}\n", section);
    if ((err = config_parse (span_of (yaml), "test", &p->config, &error)) != ESP_OK)
        return err;
    if (!(how = strategy_find (config_peek (p->config, "search.strategy"))))
        return ESP_EUNKNOWN;
    if (!(p->options = structs[1] = esp_calloc (1, how->option_bytes + 1)))
        return ESP_ENOMEM;
    tables[1] = how->options;
    if ((err = config_bind (p->config, "search", tables, structs, how->options ? 2 : 1)) !=
            ESP_OK ||
        (err = config_check_unknown (p->config)) != ESP_OK)
        return err;
    if (config_mistakes (p->config, &mistakes) > 0 ||
        (how->fit && how->fit (p->options, &error) != ESP_OK)) {
        printf ("%s%s\n", mistakes, error.text);
        return ESP_EINVAL;
    }
    p->w.setup = given_setup (how, p->options);
    p->w.setup.options = core;
    p->w.setup.has_verifier = true;
    return ESP_OK;
}

static inline void player_close (player *p)
{
    world_close (&p->w);
    config_destroy (p->config);
    esp_free (p->options);
    *p = (player){.config = NULL};
}

#endif
