/* SPDX-License-Identifier: Apache-2.0 */
/* test_alloc.c - what proto/base/alloc.h promises */

#include "proto/base/alloc.h"
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include "tests/support/suite.h"

static void null_is_freed_and_copied_as_null (void)
{
    esp_free (NULL);
    CHECK (esp_strdup (NULL) == NULL);
    CHECK (esp_strndup (NULL, 3) == NULL);
    CHECK (esp_alloc_live () == 0);
}

static void sizes_that_overflow_give_null (void)
{
    size_t capacity = SIZE_MAX / 4;
    int *array = NULL;
    volatile size_t huge = SIZE_MAX; /* volatile: the compiler would warn about the constant */
    CHECK (esp_calloc (huge / 2, 3) == NULL);
    CHECK (esp_reallocarray (NULL, huge / 2, 3) == NULL);
    CHECK (esp_malloc (huge - 64) == NULL);
    CHECK (esp_grow (&array, &capacity, huge / 2, sizeof (*array)) == -1);
    CHECK (array == NULL);
    CHECK (capacity == SIZE_MAX / 4);
    CHECK (esp_alloc_live () == 0);
}

static void size_0_gives_unique_pointers (void)
{
    void *a = esp_malloc (0), *b = esp_calloc (0, 8), *c = esp_realloc (NULL, 0);
    CHECK (a && b && c);
    CHECK (a != b && b != c && a != c);
    CHECK (esp_alloc_live () == 3);
    a = esp_realloc (a, 0);
    CHECK (a != NULL);
    CHECK (esp_alloc_live () == 3);
    esp_free (a);
    esp_free (b);
    esp_free (c);
    CHECK (esp_alloc_live () == 0);
}

static void calloc_zeroes_and_realloc_keeps (void)
{
    unsigned char *bytes = esp_calloc (10, 10), sum = 0;
    for (size_t i = 0; i < 100; i++)
        sum = (unsigned char)(sum | bytes[i]);
    CHECK (sum == 0);
    memset (bytes, 7, 100);
    bytes = esp_realloc (bytes, 100000);
    CHECK (bytes[0] == 7 && bytes[99] == 7);
    CHECK (esp_alloc_live () == 1);
    esp_free (bytes);
}

static void strings_are_copied_up_to_the_limit (void)
{
    char *all = esp_strdup ("branch"), *some = esp_strndup ("branch", 3);
    char *exact = esp_strndup ("branch", 6), *none = esp_strndup ("branch", 0);
    CHECK (strcmp (all, "branch") == 0);
    CHECK (strcmp (some, "bra") == 0);
    CHECK (strcmp (exact, "branch") == 0);
    CHECK (strcmp (none, "") == 0);
    esp_free (all);
    esp_free (some);
    esp_free (exact);
    esp_free (none);
}

static void strndup_reads_nothing_behind_the_limit (void)
{
    char *open = esp_malloc (3), *copy; /* no 0 at its end: ASan sees a read behind it */
    memcpy (open, "abc", 3);
    copy = esp_strndup (open, 3);
    CHECK (strcmp (copy, "abc") == 0);
    esp_free (copy);
    esp_free (open);
}

static void grow_doubles_from_16_and_keeps_the_elements (void)
{
    int *array = NULL;
    size_t capacity = 0;
    CHECK (esp_grow (&array, &capacity, 0, sizeof (*array)) == 0);
    CHECK (capacity == 0 && array == NULL);
    CHECK (esp_grow (&array, &capacity, 1, sizeof (*array)) == 0);
    CHECK (capacity == 16);
    for (int i = 0; i < 16; i++)
        array[i] = i;
    CHECK (esp_grow (&array, &capacity, 16, sizeof (*array)) == 0);
    CHECK (capacity == 16);
    CHECK (esp_grow (&array, &capacity, 17, sizeof (*array)) == 0);
    CHECK (capacity == 32);
    CHECK (esp_grow (&array, &capacity, 1000, sizeof (*array)) == 0);
    CHECK (capacity == 1024);
    for (int i = 0; i < 16; i++)
        CHECK (array[i] == i);
    esp_free (array);
}

static void the_hook_fails_every_call_after_n (void)
{
    void *a, *b;
    esp_alloc_fail_after (2);
    a = esp_malloc (1);
    b = esp_calloc (1, 1);
    CHECK (a && b);
    CHECK (esp_malloc (1) == NULL);
    CHECK (esp_calloc (1, 1) == NULL);
    CHECK (esp_strdup ("x") == NULL);
    CHECK (esp_realloc (a, 100) == NULL); /* a stays valid */
    CHECK (esp_malloc (1) == NULL);
    esp_alloc_fail_after (-1);
    *(char *)a = 1;
    esp_free (a);
    esp_free (b);
    CHECK (esp_alloc_live () == 0);
}

static void a_failed_grow_changes_nothing (void)
{
    char *array = NULL, *before;
    size_t capacity = 0;
    CHECK (esp_grow (&array, &capacity, 1, 1) == 0);
    before = array;
    esp_alloc_fail_after (0);
    CHECK (esp_grow (&array, &capacity, 17, 1) == -1);
    esp_alloc_fail_after (-1);
    CHECK (array == before && capacity == 16);
    esp_free (array);
}

static void *allocate_and_free (void *unused)
{
    (void)unused;
    for (int i = 0; i < 10000; i++)
        esp_free (esp_realloc (esp_malloc (8), 16));
    return esp_malloc (1);
}

static void the_counter_is_right_over_threads (void)
{
    pthread_t threads[4];
    void *left;
    for (int i = 0; i < 4; i++)
        CHECK (pthread_create (&threads[i], NULL, allocate_and_free, NULL) == 0);
    for (int i = 0; i < 4; i++) {
        pthread_join (threads[i], &left);
        CHECK (esp_alloc_live () >= 1);
        esp_free (left);
    }
    CHECK (esp_alloc_live () == 0);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"NULL is freed, and copied as NULL", null_is_freed_and_copied_as_null},
        {"sizes that overflow give NULL", sizes_that_overflow_give_null},
        {"size 0 gives unique pointers", size_0_gives_unique_pointers},
        {"calloc zeroes and realloc keeps", calloc_zeroes_and_realloc_keeps},
        {"strings are copied up to the limit", strings_are_copied_up_to_the_limit},
        {"strndup reads nothing behind the limit", strndup_reads_nothing_behind_the_limit},
        {"grow doubles from 16 and keeps the elements",
         grow_doubles_from_16_and_keeps_the_elements},
        {"the hook fails every call after n", the_hook_fails_every_call_after_n},
        {"a failed grow changes nothing", a_failed_grow_changes_nothing},
        {"the counter is right over threads", the_counter_is_right_over_threads},
        {NULL, NULL},
    };
    return suite_main ("alloc", cases);
}
