/* SPDX-License-Identifier: Apache-2.0 */
/* test_line_reader.c - what coordinator/problem/line_reader.h and byte_stream.h promise */
// LINK: PkgConfig::ZLIB PkgConfig::ZSTD

#include "coordinator/problem/line_reader.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>
#include "proto/base/alloc.h"
#include "proto/base/file.h"
#include "tests/support/suite.h"

static const char *folder; /* of the running case */

static const char *write_file (const char *name, span bytes)
{
    static char path[4][512];
    static int turn;
    char *p = path[turn++ % 4];
    esp_error error = {0};
    PASS (esp_path_join (p, sizeof (path[0]), folder, name));
    PASS (esp_file_write (p, bytes, 0644, &error));
    return p;
}

static void add_gzip (esp_buf *out, span text)
{
    z_stream z = {0};
    CU_ASSERT_EQUAL_FATAL (deflateInit2 (&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    PASS (esp_buf_reserve (out, text.len + 1000));
    z.next_in = (unsigned char *)text.ptr;
    z.avail_in = (unsigned)text.len;
    z.next_out = (unsigned char *)out->data + out->len;
    z.avail_out = (unsigned)(text.len + 1000);
    CU_ASSERT_EQUAL_FATAL (deflate (&z, Z_FINISH), Z_STREAM_END);
    out->len += z.total_out;
    deflateEnd (&z);
}

static void add_zstd (esp_buf *out, span text)
{
    size_t bound = ZSTD_compressBound (text.len);
    PASS (esp_buf_reserve (out, bound));
    out->len += ZSTD_compress (out->data + out->len, bound, text.ptr, text.len, 3);
}

static line_reader *given_reader (const char *path, size_t max)
{
    line_reader *r = NULL;
    esp_error error = {0};
    PASS (line_reader_open (path, max, &r, &error));
    return r;
}

static void expect_line (line_reader *r, const char *text, uint64_t number, uint64_t offset)
{
    line l;
    esp_error error = {0};
    PASS (line_reader_next (r, &l, &error));
    CHECK (span_is (l.text, text));
    CU_ASSERT_EQUAL (l.number, number);
    CU_ASSERT_EQUAL (l.offset, offset);
}

static void bad_calls_are_refused (void)
{
    line_reader *r = NULL;
    line l;
    esp_error error = {0};
    folder = suite_folder ();
    FAILS (line_reader_open (NULL, 10, &r, &error), ESP_EINVAL);
    FAILS (line_reader_open ("x", 0, &r, &error), ESP_EINVAL);
    FAILS (line_reader_open ("x", 10, NULL, &error), ESP_EINVAL);
    FAILS (line_reader_next (NULL, &l, &error), ESP_EINVAL);
    FAILS (line_reader_seek (NULL, 0, 1, &error), ESP_EINVAL);
    FAILS (byte_stream_open (NULL, NULL, &error), ESP_EINVAL);
    FAILS (byte_stream_read (NULL, NULL, 0, NULL, NULL), ESP_EINVAL);
    FAILS (byte_stream_seek (NULL, 0, NULL), ESP_EINVAL);
    FAILS (byte_stream_size (NULL, NULL, NULL), ESP_EINVAL);
    FAILS (byte_stream_fingerprint (NULL, 0, NULL, NULL), ESP_EINVAL);
    line_reader_close (NULL);
    byte_stream_close (NULL);
    CHECK (line_reader_stream (NULL) == NULL);
    CHECK (!byte_stream_packed (NULL) && byte_stream_raw (NULL) == 0);
    FAILS (line_reader_open (folder, 10, &r, &error), ESP_EINVAL);
    CHECK (strstr (error.text, "is a folder") != NULL);
    FAILS (line_reader_open ("/nowhere/x.jsonl", 10, &r, &error), ESP_ENOENT);
    CHECK (strstr (error.text, "/nowhere/x.jsonl") != NULL);
    FAILS (line_reader_open ("/dev/null", 10, &r, &error), ESP_EINVAL);
    CHECK (r == NULL);
}

static void lines_come_with_number_and_offset (void)
{
    line_reader *r;
    line l;
    folder = suite_folder ();
    r = given_reader (write_file ("a", span_of ("\xef\xbb\xbfone\n\ntwo\r\nend")), 100);
    expect_line (r, "one", 1, 0);
    expect_line (r, "", 2, 7);
    expect_line (r, "two\r", 3, 8);
    PASS (line_reader_next (r, &l, NULL));
    CHECK (span_is (l.text, "end") && l.cut && l.end == 16);
    FAILS (line_reader_next (r, &l, NULL), ESP_EEMPTY);
    FAILS (line_reader_next (r, &l, NULL), ESP_EEMPTY);
    PASS (line_reader_seek (r, 8, 3, NULL));
    expect_line (r, "two\r", 3, 8);
    PASS (line_reader_seek (r, 0, 1, NULL));
    expect_line (r, "one", 1, 0);
    PASS (line_reader_seek (r, 5000, 9, NULL));
    FAILS (line_reader_next (r, &l, NULL), ESP_EEMPTY);
    line_reader_close (r);
}

static void an_empty_file_has_no_line (void)
{
    line_reader *r;
    line l;
    folder = suite_folder ();
    r = given_reader (write_file ("empty", span_of ("")), 100);
    FAILS (line_reader_next (r, &l, NULL), ESP_EEMPTY);
    line_reader_close (r);
    r = given_reader (write_file ("empty.gz", span_of ("")), 100);
    FAILS (line_reader_next (r, &l, NULL), ESP_EEMPTY);
    line_reader_close (r);
}

/* Lines of 0, 1, ... bytes over several chunks; the longest cross two of them. */
static void given_many_lines (esp_buf *text, size_t count, size_t most)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = i * 7919 % most;
        for (size_t j = 0; j < len; j++)
            PASS (esp_buf_append (text, &"abcdefghij"[(i + j) % 10], 1));
        PASS (esp_buf_puts (text, "\n"));
    }
}

static void expect_many_lines (line_reader *r, size_t count, size_t most)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = i * 7919 % most;
        line l;
        PASS (line_reader_next (r, &l, NULL));
        CU_ASSERT_EQUAL_FATAL (l.text.len, len);
        CU_ASSERT_EQUAL (l.offset, offset);
        if (len > 0)
            CU_ASSERT_EQUAL (l.text.ptr[len - 1], "abcdefghij"[(i + len - 1) % 10]);
        offset += len + 1;
    }
}

static void packed_files_read_like_plain_ones (void)
{
    esp_buf text = {0}, gz = {0}, zst = {0};
    const char *paths[3];
    folder = suite_folder ();
    given_many_lines (&text, 300, 5000);
    add_gzip (&gz, span_make (text.data, 333333)); /* two members, cut inside a line */
    add_gzip (&gz, span_make (text.data + 333333, text.len - 333333));
    add_zstd (&zst, span_make (text.data, 333333));
    add_zstd (&zst, span_make (text.data + 333333, text.len - 333333));
    paths[0] = write_file ("a.jsonl", esp_buf_span (&text));
    paths[1] = write_file ("a.jsonl.gz", esp_buf_span (&gz));
    paths[2] = write_file ("a.jsonl.zst", esp_buf_span (&zst));
    for (size_t i = 0; i < 3; i++) {
        line_reader *r = given_reader (paths[i], 5000);
        line l;
        CHECK (byte_stream_packed (line_reader_stream (r)) == (i > 0));
        expect_many_lines (r, 300, 5000);
        FAILS (line_reader_next (r, &l, NULL), ESP_EEMPTY);
        PASS (line_reader_seek (r, 0, 1, NULL));
        expect_many_lines (r, 300, 5000);
        PASS (line_reader_seek (r, text.len - 1, 7, NULL));
        expect_line (r, "", 7, text.len - 1);
        line_reader_close (r);
    }
    esp_buf_free (&text);
    esp_buf_free (&gz);
    esp_buf_free (&zst);
}

static void long_lines_are_told_not_stored (void)
{
    esp_buf text = {0};
    line_reader *r;
    line l;
    folder = suite_folder ();
    PASS (esp_buf_puts (&text, "short\n"));
    for (size_t i = 0; i < 300000; i++)
        PASS (esp_buf_puts (&text, "x"));
    PASS (esp_buf_puts (&text, "\nlast\n"));
    r = given_reader (write_file ("long", esp_buf_span (&text)), 100000);
    expect_line (r, "short", 1, 0);
    PASS (line_reader_next (r, &l, NULL));
    CHECK (l.too_long && l.text.len == 0 && l.offset == 6 && l.end == 300007);
    expect_line (r, "last", 3, 300007);
    line_reader_close (r);
    r = given_reader (write_file ("exact", span_of ("12345\n123456\n1234")), 5);
    expect_line (r, "12345", 1, 0);
    PASS (line_reader_next (r, &l, NULL));
    CHECK (l.too_long);
    expect_line (r, "1234", 3, 13);
    line_reader_close (r);
    esp_buf_free (&text);
}

/* Read to the end; the code and sentence of what stopped it. */
static esp_err drain (const char *path, esp_error *error)
{
    line_reader *r = given_reader (path, 100000);
    esp_err err = ESP_OK;
    line l;
    while (err == ESP_OK)
        err = line_reader_next (r, &l, error);
    line_reader_close (r);
    return err;
}

static void every_cut_of_packed_data_is_told (void)
{
    esp_buf text = {0}, packed[2] = {{0}, {0}};
    static const char *const names[] = {"cut.gz", "cut.zst"};
    folder = suite_folder ();
    given_many_lines (&text, 40, 50);
    add_gzip (&packed[0], esp_buf_span (&text));
    add_zstd (&packed[1], esp_buf_span (&text));
    for (size_t i = 0; i < 2; i++)
        for (size_t cut = 4; cut < packed[i].len; cut += 3) {
            esp_error error = {0};
            const char *path = write_file (names[i], span_make (packed[i].data, cut));
            FAILS (drain (path, &error), ESP_EFORMAT);
            CHECK (strstr (error.text, "ends early") != NULL);
            CHECK (strstr (error.text, names[i]) != NULL);
        }
    esp_buf_free (&text);
    esp_buf_free (&packed[0]);
    esp_buf_free (&packed[1]);
}

static void damaged_packed_data_is_told (void)
{
    esp_buf text = {0}, gz = {0};
    esp_error error = {0};
    folder = suite_folder ();
    given_many_lines (&text, 40, 50);
    add_gzip (&gz, esp_buf_span (&text));
    gz.data[gz.len - 6] ^= 1; /* its checksum */
    FAILS (drain (write_file ("x.gz", esp_buf_span (&gz)), &error), ESP_EFORMAT);
    CHECK (strstr (error.text, "damaged") != NULL);
    gz.data[gz.len - 6] ^= 1;
    PASS (esp_buf_puts (&gz, "garbage behind it"));
    FAILS (drain (write_file ("x.gz", esp_buf_span (&gz)), &error), ESP_EFORMAT);
    FAILS (
        drain (write_file ("x.zst", span_make ("\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff", 9)), &error),
        ESP_EFORMAT);
    esp_buf_free (&text);
    esp_buf_free (&gz);
}

static void a_packed_name_needs_packed_content (void)
{
    line_reader *r = NULL;
    esp_error error = {0};
    folder = suite_folder ();
    FAILS (line_reader_open (write_file ("p.gz", span_of ("{}\n")), 10, &r, &error), ESP_EFORMAT);
    CHECK (strstr (error.text, "p.gz:1: the name says compressed") != NULL);
    FAILS (line_reader_open (write_file ("p.zst", span_of ("{}\n")), 10, &r, &error), ESP_EFORMAT);
}

static void fingerprints_cover_head_tail_and_length (void)
{
    static char bytes[400000];
    byte_stream *s = NULL;
    uint64_t a = 0, b = 0, size = 0;
    const char *path;
    folder = suite_folder ();
    path = write_file ("f", span_make (bytes, sizeof (bytes)));
    PASS (byte_stream_open (path, &s, NULL));
    PASS (byte_stream_size (s, &size, NULL));
    CU_ASSERT_EQUAL (size, sizeof (bytes));
    PASS (byte_stream_fingerprint (s, 300000, &a, NULL));
    PASS (byte_stream_fingerprint (s, 300001, &b, NULL));
    CHECK (a != b);
    PASS (byte_stream_fingerprint (s, 0, &b, NULL));
    FAILS (byte_stream_fingerprint (s, 500000, &b, NULL), ESP_ECONFLICT);
    byte_stream_close (s);
    bytes[299999] = 1;
    path = write_file ("f", span_make (bytes, sizeof (bytes)));
    PASS (byte_stream_open (path, &s, NULL));
    PASS (byte_stream_fingerprint (s, 300000, &b, NULL));
    CHECK (a != b);
    byte_stream_close (s);
    bytes[299999] = 0;
}

static void survives_failure_of_every_allocation (void)
{
    esp_buf text = {0}, gz = {0};
    const char *path;
    esp_err err = ESP_ENOMEM;
    long live;
    folder = suite_folder ();
    given_many_lines (&text, 60, 5000);
    add_gzip (&gz, esp_buf_span (&text));
    path = write_file ("m.gz", esp_buf_span (&gz));
    live = esp_alloc_live ();
    for (long n = 0; err == ESP_ENOMEM && n < 100; n++) {
        line_reader *r = NULL;
        line l;
        esp_alloc_fail_after (n);
        err = line_reader_open (path, 5000, &r, NULL);
        while (err == ESP_OK)
            err = line_reader_next (r, &l, NULL);
        line_reader_close (r);
        esp_alloc_fail_after (-1);
        CU_ASSERT_EQUAL (esp_alloc_live (), live);
    }
    CU_ASSERT_EQUAL (err, ESP_EEMPTY);
    esp_buf_free (&text);
    esp_buf_free (&gz);
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"bad calls are refused", bad_calls_are_refused},
        {"lines come with number and offset", lines_come_with_number_and_offset},
        {"an empty file has no line", an_empty_file_has_no_line},
        {"packed files read like plain ones", packed_files_read_like_plain_ones},
        {"long lines are told, not stored", long_lines_are_told_not_stored},
        {"every cut of packed data is told", every_cut_of_packed_data_is_told},
        {"damaged packed data is told", damaged_packed_data_is_told},
        {"a packed name needs packed content", a_packed_name_needs_packed_content},
        {"fingerprints cover head, tail and length", fingerprints_cover_head_tail_and_length},
        {"survives failure of every allocation", survives_failure_of_every_allocation},
        {NULL, NULL},
    };
    return suite_main ("line_reader", cases);
}
