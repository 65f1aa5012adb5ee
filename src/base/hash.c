/* SPDX-License-Identifier: MIT */
/* base/hash.c — SipHash-c-d (Aumasson and Bernstein, INDOCRYPT 2012) over a key in two pieces.
 *
 * Design notes. One compression round and three final ones (1-3) is what the authors advise for
 * hash tables: no full key recovery is known, and a short key costs about half of 2-4. The pieces
 * are never joined: bytes that do not fill a word at the end of the first wait in `tail`, and
 * each word of the second is then cut over two message words.
 *
 * All of it is made part of each of the two functions at the end: four words that live in registers
 * from the first byte to the last are what makes a hash of a short key cheap. */
#include "base/hash.h"

#include "base/random.h"

/* Beyond what a compiler would do by itself: it counts two callers of each. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

struct sip {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
    uint64_t tail;   /* the low `n_tail` bytes wait for more, the others are 0 */
    unsigned n_tail; /* 0 to 7 */
};

static inline uint64_t rotl(uint64_t word, unsigned by)
{
    return word << by | word >> (64U - by);
}

static inline uint64_t load_le32(const unsigned char *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
           (uint64_t)at[3] << 24;
}

static inline uint64_t load_le64(const unsigned char *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
           (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 |
           (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

/* Fewer than 8 bytes, the others 0: from both ends, so that no byte is looked at alone. */
static inline uint64_t load_short(const unsigned char *at, size_t n)
{
    if (n >= 4) {
        const unsigned char *end = at + n - 4;
        return load_le32(at) | load_le32(end) << (8 * (n - 4));
    }
    if (n == 0) {
        return 0;
    }
    return (uint64_t)at[0] | (uint64_t)at[n / 2] << (8 * (n / 2)) |
           (uint64_t)at[n - 1] << (8 * (n - 1));
}

static ALWAYS_INLINE void sip_rounds(struct sip *sip, int n)
{
    for (int i = 0; i < n; i++) {
        sip->v0 += sip->v1;
        sip->v2 += sip->v3;
        sip->v1 = rotl(sip->v1, 13) ^ sip->v0;
        sip->v3 = rotl(sip->v3, 16) ^ sip->v2;
        sip->v0 = rotl(sip->v0, 32);
        sip->v2 += sip->v1;
        sip->v0 += sip->v3;
        sip->v1 = rotl(sip->v1, 17) ^ sip->v2;
        sip->v3 = rotl(sip->v3, 21) ^ sip->v0;
        sip->v2 = rotl(sip->v2, 32);
    }
}

static ALWAYS_INLINE void sip_word(struct sip *sip, uint64_t word, int n_rounds)
{
    sip->v3 ^= word;
    sip_rounds(sip, n_rounds);
    sip->v0 ^= word;
}

static ALWAYS_INLINE void sip_piece(struct sip *sip, fac_bytes piece, int n_rounds)
{
    const unsigned char *at = piece.data;
    size_t left = piece.len;
    unsigned shift = sip->n_tail * 8U;
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word = load_le64(at);
        sip_word(sip, sip->tail | word << shift, n_rounds);
        sip->tail = shift > 0 ? word >> (64U - shift) : 0;
    }
    uint64_t word = load_short(at, left);
    sip->tail |= word << shift;
    sip->n_tail += (unsigned)left;
    if (sip->n_tail >= 8) {
        sip_word(sip, sip->tail, n_rounds);
        sip->n_tail -= 8;
        sip->tail = shift > 0 ? word >> (64U - shift) : 0; /* it is, or there were not 8 */
    }
}

/* The round counts are constants at both callers, so that the compiler unrolls them. */
static ALWAYS_INLINE uint64_t sip_key(const struct faci_hash_seed *seed,
                                      const struct faci_key *key, int n_rounds, int n_final)
{
    /* The paper's constants: "somepseudorandomlygeneratedbytes". */
    struct sip sip = {
        .v0 = seed->k0 ^ 0x736f6d6570736575U,
        .v1 = seed->k1 ^ 0x646f72616e646f6dU,
        .v2 = seed->k0 ^ 0x6c7967656e657261U,
        .v3 = seed->k1 ^ 0x7465646279746573U,
    };
    sip_piece(&sip, key->prefix, n_rounds);
    sip_piece(&sip, key->name, n_rounds);
    sip_word(&sip, sip.tail | (uint64_t)faci_key_len(key) << 56, n_rounds);
    sip.v2 ^= 0xff;
    sip_rounds(&sip, n_final);
    return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

struct faci_hash_seed faci_hash_seed_from(uint64_t seed)
{
    struct faci_hash_seed both;
    both.k0 = faci_random_next(&seed);
    both.k1 = faci_random_next(&seed);
    return both;
}

uint64_t faci_hash_key(const struct faci_hash_seed *seed, const struct faci_key *key)
{
    return sip_key(seed, key, 1, 3);
}

uint64_t faci_hash_key_sip24(const struct faci_hash_seed *seed, const struct faci_key *key)
{
    return sip_key(seed, key, 2, 4);
}
