/* SPDX-License-Identifier: Apache-2.0 */
/* test_hash.c - what proto/base/hash.h promises */

#include "proto/base/hash.h"
#include <stdlib.h>
#include <string.h>
#include "tests/support/suite.h"

static void crc_of_nothing_is_0 (void)
{
    CHECK (esp_crc32c (0, NULL, 0) == 0);
    CHECK (esp_crc32c (0x12345678, "", 0) == 0x12345678);
}

/* RFC 3720, B.4 (the values as 32-bit numbers), and the usual check value */
static void crc_agrees_with_rfc_3720 (void)
{
    uint8_t bytes[32];
    memset (bytes, 0, 32);
    CHECK (esp_crc32c (0, bytes, 32) == 0x8A9136AA);
    memset (bytes, 0xFF, 32);
    CHECK (esp_crc32c (0, bytes, 32) == 0x62A8AB43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    CHECK (esp_crc32c (0, bytes, 32) == 0x46DD794E);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    CHECK (esp_crc32c (0, bytes, 32) == 0x113FDB5C);
    CHECK (esp_crc32c (0, "123456789", 9) == 0xE3069283);
}

static void crc_continues_over_parts (void)
{
    static uint8_t bytes[5000];
    uint32_t whole;
    for (size_t i = 0; i < sizeof (bytes); i++)
        bytes[i] = (uint8_t)(i * 31 + i / 7);
    whole = esp_crc32c (0, bytes, sizeof (bytes));
    for (size_t cut = 0; cut <= sizeof (bytes); cut += 13)
        CHECK (esp_crc32c (esp_crc32c (0, bytes, cut), bytes + cut, sizeof (bytes) - cut) == whole);
}

static void crc_sees_every_single_bit_flip (void)
{
    uint8_t bytes[64] = "frame";
    uint32_t good = esp_crc32c (0, bytes, sizeof (bytes));
    for (size_t bit = 0; bit < 8 * sizeof (bytes); bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
        CHECK (esp_crc32c (0, bytes, sizeof (bytes)) != good);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
    }
}

static void check_sha (const char *text, const char *expected)
{
    uint8_t digest[ESP_SHA256_BYTES];
    char hex[ESP_SHA256_HEX + 1];
    esp_sha256 (span_of (text), digest);
    esp_hex (digest, sizeof (digest), hex);
    CHECK (strcmp (hex, expected) == 0);
}

/* FIPS 180-2, appendix B, and the empty text */
static void sha256_agrees_with_fips_180 (void)
{
    check_sha ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_sha ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_sha ("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void joined_parts_are_separated_by_1f (void)
{
    span parts[3] = {span_of ("a"), span_make (NULL, 0), span_of ("b")};
    uint8_t joined[ESP_SHA256_BYTES], whole[ESP_SHA256_BYTES];
    esp_sha256_joined (parts, 3, joined);
    esp_sha256 (span_make ("a\x1f\x1f"
                           "b",
                           4),
                whole);
    CHECK (memcmp (joined, whole, sizeof (whole)) == 0);
    esp_sha256_joined (parts, 1, joined);
    esp_sha256 (span_of ("a"), whole);
    CHECK (memcmp (joined, whole, sizeof (whole)) == 0);
    esp_sha256_joined (NULL, 0, joined);
    esp_sha256 (span_make (NULL, 0), whole);
    CHECK (memcmp (joined, whole, sizeof (whole)) == 0);
}

/* The worked examples of shared/golden/README.md, 1.1 */
static void units_agree_with_the_golden_examples (void)
{
    static const struct {
        const char *parts[3];
        double unit;
    } rows[] = {
        {{"prm", "Q1", "s0001\n\n"}, 0.4838273841559258},
        {{"eos", "Q1|A|", "0"}, 0.56216785519725487},
        {{"tok", "Q1|A|", "3"}, 0.99227194419322073},
        {{"tok", "Q1|A|s0042\n\n", "17"}, 0.22639029944755273},
        {{"ans", "Q1|A|a\n\nb\n\n", "g"}, 0.94327225347993904},
        {{"u", "pf-Q1-16", "0"}, 0.368514318825166},
    };
    for (size_t i = 0; i < sizeof (rows) / sizeof (rows[0]); i++) {
        span parts[3];
        for (size_t j = 0; j < 3; j++)
            parts[j] = span_of (rows[i].parts[j]);
        CHECK (esp_unit_joined (parts, 3) == rows[i].unit);
    }
}

/* XXH3_64bits reference values: they are in files, so another libxxhash must give the same */
static void xxh3_is_the_published_function (void)
{
    CHECK (esp_hash64 (NULL, 0, 0) == UINT64_C (0x2D06800538D394C2));
    CHECK (esp_hash64 ("", 0, 0) == UINT64_C (0x2D06800538D394C2));
    CHECK (esp_hash64 ("abc", 3, 0) == UINT64_C (0x78AF5F94892F3950));
    CHECK (esp_hash64 ("abc", 3, 1) != esp_hash64 ("abc", 3, 0));
}

static void mixing_sees_order_and_boundaries (void)
{
    uint64_t one = esp_hash_mix_span (esp_hash_mix_span (7, span_of ("ab")), span_of ("c"));
    uint64_t two = esp_hash_mix_span (esp_hash_mix_span (7, span_of ("a")), span_of ("bc"));
    uint64_t empty = esp_hash_mix_span (one, span_make (NULL, 0));
    CHECK (one != two);
    CHECK (one != esp_hash_mix_span (7, span_of ("abc")));
    CHECK (empty != one);
    CHECK (esp_hash_mix (esp_hash_mix (7, 1), 2) != esp_hash_mix (esp_hash_mix (7, 2), 1));
    CHECK (esp_hash_mix (7, 1) == esp_hash64 ("\1\0\0\0\0\0\0\0", 8, 7)); /* little-endian */
}

static void hex_writes_two_digits_a_byte_and_a_0 (void)
{
    char out[8] = "xxxxxxx";
    esp_hex (NULL, 0, out);
    CHECK (strcmp (out, "") == 0);
    esp_hex ((const uint8_t *)"\x00\x9f\xff", 3, out);
    CHECK (strcmp (out, "009fff") == 0);
    CHECK (out[7] == 0); /* the 0 of the initialiser: nothing was written there */
}

int main (void)
{
    static const struct suite_case cases[] = {
        {"crc of nothing is 0", crc_of_nothing_is_0},
        {"crc agrees with RFC 3720", crc_agrees_with_rfc_3720},
        {"crc continues over parts", crc_continues_over_parts},
        {"crc sees every single bit flip", crc_sees_every_single_bit_flip},
        {"SHA-256 agrees with FIPS 180", sha256_agrees_with_fips_180},
        {"joined parts are separated by 1F", joined_parts_are_separated_by_1f},
        {"units agree with the golden examples", units_agree_with_the_golden_examples},
        {"XXH3 is the published function", xxh3_is_the_published_function},
        {"mixing sees order and boundaries", mixing_sees_order_and_boundaries},
        {"hex writes two digits a byte and a 0", hex_writes_two_digits_a_byte_and_a_0},
        {NULL, NULL},
    };
    return suite_main ("hash", cases);
}
