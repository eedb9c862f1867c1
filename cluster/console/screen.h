/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_CLUSTER_CONSOLE_SCREEN_H
#define ESP_CLUSTER_CONSOLE_SCREEN_H

/* screen.h - `espalier watch` on a terminal (ncurses): the run, its open problems, the tree of one of them
 *
 * Threads: none.
 */

#include "cluster/console/follow.h"

/* Until the user quits or `signals` (a descriptor) becomes readable.  False: this terminal cannot do it. */
bool screen_run (follow *f, int signals);

#endif
