/* SPDX-License-Identifier: Apache-2.0 */

/* link.c - checks the arguments, counts, and calls the table of the end */

#include "proto/link/link.h"

esp_err link_send (link_end *end, int rank, span bytes)
{
    esp_err err;
    if (!end || rank < 0 || rank >= end->size || rank == end->rank || (bytes.len > 0 && !bytes.ptr))
        return ESP_EINVAL;
    if (bytes.len > LINK_MESSAGE_MAX)
        return ESP_ETOOBIG;
    err = end->table->send (end, rank, bytes);
    if (err == ESP_OK) {
        end->stats.sent_messages++;
        end->stats.sent_bytes += bytes.len;
    } else if (err == ESP_EFULL) {
        end->stats.refused++;
    }
    return err;
}

esp_err link_poll (link_end *end, link_event *out)
{
    esp_err err;
    if (!end || !out)
        return ESP_EINVAL;
    err = end->table->poll (end, out);
    if (err == ESP_OK && out->kind == LINK_MESSAGE) {
        end->stats.received_messages++;
        end->stats.received_bytes += out->bytes.len;
    }
    return err;
}

void link_wait (link_end *end, uint64_t timeout_ns, const int *fds, size_t fd_count)
{
    if (end)
        end->table->wait (end, timeout_ns, fds, fds ? fd_count : 0);
}

void link_wake (link_end *end)
{
    if (end)
        end->table->wake (end);
}

bool link_flushed (link_end *end)
{
    return !end || end->table->flushed (end);
}

void link_close (link_end *end, bool clean)
{
    if (end)
        end->table->close (end, clean);
}
