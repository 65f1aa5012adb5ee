/* SPDX-License-Identifier: MIT */
/* The key hash: published vectors, and that the cut between the two pieces does not matter. */
#include "base/hash.h"

#include "kit/kit.h"

#include <string.h>

/* The reference key and messages of the SipHash paper: 00 01 02 … */
static const struct faci_hash_seed k_paper_seed = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U};

static struct faci_key key_of(const unsigned char *bytes, size_t cut, size_t len)
{
    struct faci_key key = {fac_mem(bytes, cut), fac_mem(bytes + cut, len - cut)};
    return key;
}

static void fill(unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (unsigned char)i;
    }
}

static void test_hash__sip24_gives_the_authors_vectors(void **state)
{
    (void)state;
    /* Lengths 0 to 8 of the reference list, and 15, which the paper's appendix works through. */
    static const struct {
        size_t len;
        uint64_t want;
    } k_vectors[] = {
        {0, 0x726fdb47dd0e0e31U},  {1, 0x74f839c593dc67fdU}, {2, 0x0d6c8009d9a94f5aU},
        {3, 0x85676696d7fb7e2dU},  {4, 0xcf2794e0277187b7U}, {5, 0x18765564cd99a68dU},
        {6, 0xcbc9466e58fee3ceU},  {7, 0xab0200f58b01d137U}, {8, 0x93f5f5799a932462U},
        {15, 0xa129ca6149be45e5U},
    };
    unsigned char bytes[16];
    fill(bytes, sizeof(bytes));
    for (size_t i = 0; i < KIT_COUNT(k_vectors); i++) {
        struct faci_key key = key_of(bytes, k_vectors[i].len / 2, k_vectors[i].len);
        assert_true(faci_hash_key_sip24(&k_paper_seed, &key) == k_vectors[i].want);
    }
}

static void test_hash__sip13_gives_cpython_s_values(void **state)
{
    (void)state;
    /* CPython 3.11 hashes bytes with SipHash-1-3, with an all-zero key under PYTHONHASHSEED=0. */
    static const struct {
        size_t len;
        uint64_t want;
    } k_vectors[] = {
        {1, 0x68a914128e01e473U},  {7, 0x2f098ab0c751325aU},  {8, 0xead411e67ebe2eeaU},
        {9, 0x75927f9d95124362U},  {15, 0xf30eb725bb91c9eaU}, {16, 0x8972188433a5c5b7U},
        {17, 0x4883c49a2c009c1dU}, {31, 0x169739443111d49bU}, {63, 0x385d3e39e5f37359U},
    };
    static const struct faci_hash_seed k_zero = {0, 0};
    unsigned char bytes[64];
    fill(bytes, sizeof(bytes));
    for (size_t i = 0; i < KIT_COUNT(k_vectors); i++) {
        struct faci_key key = key_of(bytes, k_vectors[i].len / 3, k_vectors[i].len);
        assert_true(faci_hash_key(&k_zero, &key) == k_vectors[i].want);
    }
}

static void test_hash__the_cut_does_not_matter(void **state)
{
    (void)state;
    unsigned char bytes[41];
    fill(bytes, sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct faci_key whole = {fac_mem(NULL, 0), fac_mem(bytes, len)};
        uint64_t want = faci_hash_key(&k_paper_seed, &whole);
        for (size_t cut = 0; cut <= len; cut++) {
            struct faci_key key = key_of(bytes, cut, len);
            assert_true(faci_hash_key(&k_paper_seed, &key) == want);
        }
    }
}

static void test_hash__seed_and_every_bit_count(void **state)
{
    (void)state;
    struct faci_hash_seed one = faci_hash_seed_from(1);
    struct faci_hash_seed two = faci_hash_seed_from(2);
    assert_true(one.k0 != one.k1 && one.k0 != two.k0 && one.k1 != two.k1);
    unsigned char bytes[20];
    fill(bytes, sizeof(bytes));
    struct faci_key key = key_of(bytes, 3, sizeof(bytes));
    uint64_t base = faci_hash_key(&one, &key);
    assert_true(faci_hash_key(&two, &key) != base);
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_true(faci_hash_key(&one, &key) != base);
        bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
    }
    struct faci_key longer = key_of((const unsigned char *)"\0\0\0", 1, 3);
    struct faci_key shorter = key_of((const unsigned char *)"\0\0\0", 1, 2);
    assert_true(faci_hash_key(&one, &longer) != faci_hash_key(&one, &shorter));
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_hash__sip24_gives_the_authors_vectors),
    KIT_TEST(test_hash__sip13_gives_cpython_s_values),
    KIT_TEST(test_hash__the_cut_does_not_matter),
    KIT_TEST(test_hash__seed_and_every_bit_count),
};

KIT_MAIN(k_tests)
