/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_CLIENT_CLOSER_H
#define ESP_PROTO_CLIENT_CLOSER_H

/* closer.h - close an nng socket, but never wait for it for ever
 *
 * nng 1.5.2 (Debian 12) can hang in nng_close when the socket is closed between head and body of an arriving message
 * (seen after 25 rounds of closing a busy subscriber; github.com/nanomsg/nng issues 1219 and 1543; mended in 1.6).
 * A run must end and `watch` must quit all the same.
 */

#include <stdbool.h>
#include <stdint.h>

/* socket: nng_socket.id.  False: not closed within half a second, it goes on in a thread of its own, and what
 * the socket's callbacks use must stay. */
bool closer_close (uint32_t socket);

#endif
