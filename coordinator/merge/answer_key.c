/* SPDX-License-Identifier: Apache-2.0 */
/* answer_key.c - see answer_key.h */

#include "coordinator/merge/answer_key.h"
#include "proto/answer/answer.h"

esp_err answer_key (span answer, enum answer_equality equality, esp_buf *out)
{
    answer_form *form = NULL;
    esp_err err = ESP_EFORMAT;
    esp_buf_clear (out);
    if (equality == ANSWER_BY_VALUE)
        err = answer_form_create (answer, &form);
    if (err == ESP_EFORMAT) /* too long to be understood */
        return esp_buf_add (out, answer);
    if (err == ESP_OK)
        err = esp_buf_add (out, answer_form_text (form));
    answer_form_destroy (form);
    return err;
}
