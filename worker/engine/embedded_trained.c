/* SPDX-License-Identifier: Apache-2.0 */
/* embedded_trained.c - small networks of rectified units over the features of a state
 *
 * A layer's numbers stand input by input, then the biases: a sum goes over the inputs in their order, all units
 * side by side, and an input that is 0 (most are flags) costs nothing.
 */

#include "worker/engine/embedded_trained.h"
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "proto/base/alloc.h"
#include "proto/base/fmath.h"
#include "worker/engine/embedded_default.h"
#include "worker/engine/embedded_features.h"
#include "worker/engine/embedded_model.h"

enum { FORMAT_VERSION = 1, LAYERS_MOST = 4, UNITS_MOST = 256, WEIGHT_MOST = 1000000 };

static const char format_name[] = "espalier puzzle values";
static const char *const view_names[] = {"numbers", "pairs"};

struct layer {
    size_t inputs, units;
    double *numbers; /* owned: units for each input, then units biases */
};

struct network {
    enum embedded_view view;
    size_t layer_count; /* 0: there is none for this count of numbers left */
    struct layer layers[LAYERS_MOST];
};

struct embedded_trained {
    struct network networks[EMBEDDED_VIEW_LARGEST + 1]; /* by numbers left */
};

void embedded_trained_destroy (embedded_trained *t)
{
    if (!t)
        return;
    for (size_t left = 0; left <= EMBEDDED_VIEW_LARGEST; left++)
        for (size_t i = 0; i < LAYERS_MOST; i++)
            esp_free (t->networks[left].layers[i].numbers);
    esp_free (t);
}

/* ---- the file ---- */

struct reading {
    const char *name;
    size_t left; /* of the network that is read */
    esp_error *error;
};

static esp_err wrong (const struct reading *r, const char *what)
{
    if (r->left == 0)
        return esp_error_set (r->error, ESP_EFORMAT, "%s: %s", r->name, what);
    return esp_error_set (r->error, ESP_EFORMAT, "%s: the network for %zu left: %s", r->name,
                          r->left, what);
}

static bool text_is (const json_t *value, const char *text)
{
    return json_is_string (value) && strcmp (json_string_value (value), text) == 0;
}

static esp_err read_numbers (const struct reading *r, const json_t *list, struct layer *layer)
{
    size_t count = (layer->inputs + 1) * layer->units;
    if (json_array_size (list) != count)
        return wrong (r, "a layer has not (inputs + 1) x units numbers");
    if (!(layer->numbers = esp_calloc (count, sizeof (*layer->numbers))))
        return esp_error_set (r->error, ESP_ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const json_t *number = json_array_get (list, i);
        double value = json_number_value (number); /* 0 if it is none; never NaN: JSON has none */
        if (!json_is_number (number) || fabs (value) > WEIGHT_MOST)
            return wrong (r, "a weight must be a number between -1000000 and 1000000");
        layer->numbers[i] = value;
    }
    return ESP_OK;
}

/* units: those of each layer but the last, which has one. */
static esp_err read_layers (const struct reading *r, const json_t *root, struct network *n)
{
    const json_t *units = json_object_get (root, "units"),
                 *layers = json_object_get (root, "layers");
    size_t inputs = embedded_features_count (n->view, r->left), count = json_array_size (layers);
    esp_err err = ESP_OK;
    if (count < 1 || count > LAYERS_MOST || !json_is_array (units) ||
        json_array_size (units) + 1 != count)
        return wrong (r, "`layers` must have 1 to 4 lists, and `units` one number less");
    for (size_t i = 0; i < count && err == ESP_OK; i++) {
        json_int_t here = i + 1 < count ? json_integer_value (json_array_get (units, i)) : 1;
        if (here < 1 || here > UNITS_MOST)
            return wrong (r, "`units` must be whole numbers from 1 to 256");
        n->layers[i] = (struct layer){.inputs = inputs, .units = (size_t)here};
        err = read_numbers (r, json_array_get (layers, i), &n->layers[i]);
        inputs = (size_t)here;
    }
    if (err == ESP_OK)
        n->layer_count = count;
    return err;
}

static esp_err read_network (struct reading *r, const json_t *root, embedded_trained *t)
{
    json_int_t left = json_integer_value (json_object_get (root, "left"));
    const json_t *features = json_object_get (root, "features");
    struct network *n;
    r->left = 0;
    if (left < EMBEDDED_VIEW_LEAST || left > EMBEDDED_VIEW_LARGEST)
        return wrong (r, "`left` of a network must be 2, 3, 4 or 5");
    r->left = (size_t)left;
    n = &t->networks[left];
    if (n->layer_count > 0)
        return wrong (r, "it stands there twice");
    for (n->view = EMBEDDED_VIEW_NUMBERS; n->view <= EMBEDDED_VIEW_PAIRS; n->view++)
        if (text_is (features, view_names[n->view]) &&
            embedded_features_count (n->view, r->left) > 0)
            return read_layers (r, root, n);
    return wrong (r, "`features` must be \"numbers\", or with 3 or more left \"pairs\"");
}

static esp_err read_root (struct reading *r, const json_t *root, embedded_trained *t)
{
    const json_t *networks = json_object_get (root, "networks");
    size_t count = json_array_size (networks);
    esp_err err = ESP_OK;
    if (!text_is (json_object_get (root, "format"), format_name))
        return wrong (r, "no file of weights: `format` must be \"espalier puzzle values\"");
    if (json_integer_value (json_object_get (root, "version")) != FORMAT_VERSION)
        return esp_error_set (r->error, ESP_EVERSION,
                              "%s: `version` must be %d; make the weights anew with "
                              "cluster/local/train-prm",
                              r->name, FORMAT_VERSION);
    if (count < 1)
        return wrong (r, "`networks` must be a list of one or more");
    for (size_t i = 0; i < count && err == ESP_OK; i++)
        err = read_network (r, json_array_get (networks, i), t);
    return err;
}

esp_err
embedded_trained_read (span json, const char *name, embedded_trained **out, esp_error *error)
{
    struct reading r = {.name = name, .error = error};
    json_error_t why;
    embedded_trained *t;
    json_t *root;
    esp_err err;
    if (json.len > EMBEDDED_TRAINED_BYTES)
        return esp_error_set (error, ESP_ETOOBIG, "%s: more than %d bytes", name,
                              EMBEDDED_TRAINED_BYTES);
    if (!(t = esp_calloc (1, sizeof (*t))))
        return esp_error_set (error, ESP_ENOMEM, "out of memory");
    root = json_loadb (json.ptr ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES, &why);
    err = root ? read_root (&r, root, t)
               : esp_error_set (error, ESP_EFORMAT, "%s: line %d: %s", name, why.line, why.text);
    json_decref (root);
    if (err != ESP_OK) {
        embedded_trained_destroy (t);
        return err;
    }
    *out = t;
    return ESP_OK;
}

esp_err embedded_trained_built_in (embedded_trained **out, esp_error *error)
{
    return embedded_trained_read (span_of (embedded_default), "built-in weights", out, error);
}

/* ---- values ---- */

static void do_layer (const struct layer *l, const double *in, double *restrict sums)
{
    const double *row = l->numbers;
    memcpy (sums, l->numbers + l->inputs * l->units, l->units * sizeof (*sums));
    for (size_t i = 0; i < l->inputs; i++, row += l->units) {
        double x = in[i];
        for (size_t u = 0; x != 0 && u < l->units; u++)
            sums[u] += x * row[u];
    }
}

static double run_network (const struct network *n, const double *features)
{
    double sums[2][UNITS_MOST];
    const double *in = features;
    for (size_t i = 0; i < n->layer_count; i++) {
        double *here = sums[i % 2];
        do_layer (&n->layers[i], in, here);
        for (size_t u = 0; i + 1 < n->layer_count && u < n->layers[i].units; u++)
            here[u] = fmax (here[u], 0);
        in = here;
    }
    return 1 / (1 + esp_exp (-in[0]));
}

double embedded_trained_value (const embedded_trained *t, const puzzle *p)
{
    double numbers[PUZZLE_MOST_NUMBERS], features[EMBEDDED_FEATURES_MOST];
    size_t left = puzzle_left (p);
    if (left < EMBEDDED_VIEW_LEAST || left > EMBEDDED_VIEW_LARGEST ||
        t->networks[left].layer_count == 0)
        return embedded_value_of (p);
    for (size_t i = 0; i < left; i++)
        numbers[i] = puzzle_value_at (p, i);
    embedded_features (t->networks[left].view, numbers, left, puzzle_target (p), features);
    return embedded_value_clip (run_network (&t->networks[left], features));
}
