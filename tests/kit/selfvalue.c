/* SPDX-License-Identifier: MIT */
/* kit/selfvalue.c — made from key, writer and number alone, so each is made again the same. */
#include "kit/selfvalue.h"

#include "kit/kit.h"

#include <string.h>

#define MAGIC 0x66616c6573656c66U

enum {
    PLACE_MAGIC = 0,
    PLACE_KEY = 8,
    PLACE_WRITER = 16,
    PLACE_SEQ = 24,
    PLACE_LEN = 32
};

static uint64_t get64(const unsigned char *at)
{
    uint64_t number = 0;
    memcpy(&number, at, sizeof(number));
    return number;
}

static void put64(unsigned char *at, uint64_t number)
{
    memcpy(at, &number, sizeof(number));
}

uint64_t kit_hash64(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t hash = 0x2127599bf4325c37U ^ len;
    for (; len >= 8; len -= 8, at += 8) {
        hash = (hash ^ get64(at)) * 0x9fb21c651e98df25U;
        hash ^= hash >> 29;
    }
    uint64_t rest = 0;
    if (len > 0) {
        memcpy(&rest, at, len);
    }
    hash = (hash ^ rest) * 0x9fb21c651e98df25U;
    return hash ^ hash >> 32;
}

size_t kit_self_make(unsigned char *out, fac_bytes key, const struct kit_self *self)
{
    size_t len = self->payload_bytes;
    put64(out + PLACE_MAGIC, MAGIC);
    put64(out + PLACE_KEY, kit_hash64(key.data, key.len));
    put64(out + PLACE_WRITER, self->writer);
    put64(out + PLACE_SEQ, self->seq);
    put64(out + PLACE_LEN, len);
    uint64_t random = kit_hash64(out, KIT_SELF_HEAD_BYTES);
    unsigned char *at = out + KIT_SELF_HEAD_BYTES;
    for (size_t left = len; left > 0;) {
        uint64_t word = kit_random(&random);
        size_t piece = left < sizeof(word) ? left : sizeof(word);
        memcpy(at, &word, piece);
        at += piece;
        left -= piece;
    }
    put64(at, kit_hash64(out, KIT_SELF_HEAD_BYTES + len));
    return KIT_SELF_EXTRA_BYTES + len;
}

const char *kit_self_check(fac_bytes value, fac_bytes key, struct kit_self *out)
{
    const unsigned char *at = value.data;
    if (value.len < KIT_SELF_EXTRA_BYTES) {
        return "shorter than any value";
    }
    if (get64(at + PLACE_MAGIC) != MAGIC) {
        return "no value of this test";
    }
    if (get64(at + PLACE_LEN) != value.len - KIT_SELF_EXTRA_BYTES) {
        return "of another length than it says";
    }
    if (get64(at + value.len - 8) != kit_hash64(at, value.len - 8)) {
        return "not whole";
    }
    if (get64(at + PLACE_KEY) != kit_hash64(key.data, key.len)) {
        return "of another key";
    }
    out->writer = get64(at + PLACE_WRITER);
    out->seq = get64(at + PLACE_SEQ);
    out->payload_bytes = value.len - KIT_SELF_EXTRA_BYTES;
    return NULL;
}

size_t kit_self_draw(uint64_t *random, size_t max_bytes)
{
    enum {
        EDGE_16K = 16384,
        EDGE_64K = 65536
    };
    size_t edges[] = {0,        EDGE_16K - 1, EDGE_16K, EDGE_16K + 1, EDGE_64K - 1,
                      EDGE_64K, EDGE_64K + 1, max_bytes};
    uint64_t number = kit_random(random);
    if (number % 8 == 0) {
        size_t edge = edges[number / 8 % KIT_COUNT(edges)];
        return edge <= max_bytes ? edge : max_bytes;
    }
    unsigned n_bits = 0;
    while (n_bits < 63 && max_bytes >> n_bits != 0) {
        n_bits++;
    }
    uint64_t bound = 1ULL << (number / 8 % (n_bits + 1));
    size_t drawn = (size_t)(bound / 2 + kit_random(random) % (bound - bound / 2));
    return drawn <= max_bytes ? drawn : max_bytes;
}
