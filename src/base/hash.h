/* SPDX-License-Identifier: MIT */
/* base/hash.h — a keyed hash of keys: whoever does not know the seed cannot choose keys that
 * collide. Pure; any thread. */
#ifndef FACI_BASE_HASH_H
#define FACI_BASE_HASH_H

#include "base/bytes.h"

#include <stdint.h>

struct faci_hash_seed {
    uint64_t k0;
    uint64_t k1;
};

/* Spread one random number over both halves of a seed. */
struct faci_hash_seed faci_hash_seed_from(uint64_t seed);

/* SipHash-1-3 of prefix + name, as if the two were one: where the cut lies does not matter. */
uint64_t faci_hash_key(const struct faci_hash_seed *seed, const struct faci_key *key);

/* SipHash-2-4, for which the authors published vectors: a test holds the code that both share
 * against them. */
uint64_t faci_hash_key_sip24(const struct faci_hash_seed *seed, const struct faci_key *key);

#endif
