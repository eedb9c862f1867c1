/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ESP_WORKER_ENGINE_EMBEDDED_DEFAULT_H
#define ESP_WORKER_ENGINE_EMBEDDED_DEFAULT_H

/* embedded_default.h - embedded_trained.json as a string of the program */

extern const char embedded_default[];

#endif
