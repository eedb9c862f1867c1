#include "coordinator/sink/label.h"
#include "proto/base/alloc.h"
esp_err labels_of_search (const search *s, label **out)
{
    *out = esp_calloc (tree_size (search_tree (s)), sizeof (label));
    return *out ? ESP_OK : ESP_ENOMEM;
}
