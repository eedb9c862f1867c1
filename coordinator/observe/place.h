/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_OBSERVE_PLACE_H
#define ESP_COORDINATOR_OBSERVE_PLACE_H

/* place.h - where observers find a run: its addresses, its token, OUTPUT/control.json
 *
 * Without observe.listen: two socket files STEM.events and STEM.control in a folder that only this user may enter
 * ($XDG_RUNTIME_DIR/espalier, else /tmp/espalier-UID); the stem is a hash of the output folder, so that a run
 * which was killed leaves nothing behind that its successor does not reuse.
 *
 * With tcp://HOST:PORT: both sockets speak WebSocket on one port, and the path of the events holds the token, because
 * a subscriber sends nothing that could be checked: http refuses strangers before any byte of the run is sent.
 *
 * Threads: none.
 */

#include <stdbool.h>
#include <stdint.h>
#include "proto/base/err.h"

enum {
    PLACE_TOKEN_HEX = 32, /* digits: 128 bits */
    PLACE_URL_MAX = 512,
    PLACE_STEM_MAX = 90 /* a socket path must fit sun_path (108), also on systems where it is 104 */
};

typedef struct place {
    bool local;
    char stem[PLACE_STEM_MAX + 1]; /* local: absolute path without the ending */
    char host[256];                /* else: as given; "0.0.0.0", "*" and "" mean every address */
    uint16_t port;                 /* else; 0 = any */
    char token[PLACE_TOKEN_HEX + 1];
} place;

/* Draw the token; listen NULL: make and check the folder of the sockets.  Errors (sentence): ESP_EPERMISSION (the
 * folder is another user's or open to others), ESP_EFORMAT (listen is not tcp://HOST:PORT), ESP_EIO, ESP_ENOENT
 * (output). */
ESP_MUST_CHECK esp_err place_choose (const char *output, const char *listen, place *out,
                                     esp_error *error);

/* Write OUTPUT/control.json (0600).  Errors: those of esp_file_write. */
ESP_MUST_CHECK esp_err place_announce (const char *output, const place *p, const char *events_url,
                                       const char *control_url, esp_error *error);
/* Remove it; a failure is nothing: pid and token are stale. */
void place_withdraw (const char *output);

#endif
