/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_PROTO_CLIENT_CLOSER_H
#define ESP_PROTO_CLIENT_CLOSER_H

/* closer.h - close an nng socket, but never wait for it for ever
 *
 * nng_close can hang when a message is being read at that moment: nng's reaper then waits for a receive that nobody
 * ends, and from then on no nng_close of the process returns.  Closing a busy subscriber (ipc) did so within a dozen
 * rounds with nng 1.5.2 (Debian 12), 1.6.0 and 1.12.4; with 1.8.0 it did not in 30,000.  Seen by others: nanomsg/nng
 * issues 1543 and 1813.  A run must end and `watch` must quit all the same.
 */

#include <stdbool.h>
#include <stdint.h>

/* socket: nng_socket.id.  False: not closed within half a second, it goes on in a thread of its own, and what
 * the socket's callbacks use must stay. */
bool closer_close (uint32_t socket);

#endif
