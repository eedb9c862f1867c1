/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_COORDINATOR_LOOP_OBSERVE_H
#define ESP_COORDINATOR_LOOP_OBSERVE_H

/* loop_observe.h - what observers may know of, and do to, a coordinator */

#include "coordinator/loop.h"
#include "coordinator/observe/observe.h"

/* Fill the table over a coordinator and its journal; both must outlive it. */
void loop_observe_world (coordinator *c, journal *j, observe_world *out);

#endif
