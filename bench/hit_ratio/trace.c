/* SPDX-License-Identifier: MIT */
/* hit_ratio/trace.c — the fixed set of made traces, and readers of files. */
#include "trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_KEYS = 100000,
    N_REQUESTS = 2000000,
    ORACLE_BYTES = 24,
};

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15U;
    uint64_t x = *state;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

static double next_unit(uint64_t *state)
{
    return (double)(next_random(state) >> 11) / 9007199254740992.0;
}

/* --- Numbering ------------------------------------------------------------------------------ */

/* From any 64-bit name to 0, 1, 2 … in order of appearance: a table that doubles. */
struct names {
    uint64_t *names;
    uint32_t *numbers; /* one more than the number; 0: free */
    size_t n_slots;    /* a power of two */
    uint32_t n;
};

static size_t slot_of(const struct names *names, uint64_t name)
{
    uint64_t state = name;
    size_t slot = (size_t)next_random(&state) & (names->n_slots - 1);
    while (names->numbers[slot] != 0 && names->names[slot] != name) {
        slot = (slot + 1) & (names->n_slots - 1);
    }
    return slot;
}

static bool double_names(struct names *names)
{
    struct names larger = {.n_slots = names->n_slots > 0 ? names->n_slots * 2 : 1024,
                           .n = names->n};
    larger.names = malloc(larger.n_slots * sizeof(*larger.names));
    larger.numbers = calloc(larger.n_slots, sizeof(*larger.numbers));
    if (larger.names == NULL || larger.numbers == NULL) {
        free(larger.names);
        free(larger.numbers);
        return false;
    }
    for (size_t i = 0; i < names->n_slots; i++) {
        if (names->numbers[i] != 0) {
            const size_t slot = slot_of(&larger, names->names[i]);
            larger.names[slot] = names->names[i];
            larger.numbers[slot] = names->numbers[i];
        }
    }
    free(names->names);
    free(names->numbers);
    *names = larger;
    return true;
}

static bool number(struct names *names, uint64_t name, uint32_t *out)
{
    if ((size_t)names->n * 2 >= names->n_slots && !double_names(names)) {
        return false;
    }
    const size_t slot = slot_of(names, name);
    if (names->numbers[slot] == 0) {
        names->names[slot] = name;
        names->numbers[slot] = ++names->n;
    }
    *out = names->numbers[slot] - 1;
    return true;
}

static bool append(struct trace *trace, size_t *cap, struct names *names, uint64_t name)
{
    if (trace->n == *cap) {
        const size_t more = *cap > 0 ? *cap * 2 : 1 << 16;
        uint32_t *keys = realloc(trace->keys, more * sizeof(*keys));
        if (keys == NULL) {
            return false;
        }
        trace->keys = keys;
        *cap = more;
    }
    if (!number(names, name, &trace->keys[trace->n])) {
        return false;
    }
    trace->n++;
    trace->n_keys = names->n;
    return true;
}

void trace_free(struct trace *trace)
{
    free(trace->keys);
    *trace = (struct trace){0};
}

/* --- Made by rule --------------------------------------------------------------------------- */

/* Ranks by Zipf's law: the sum of the weights up to each, searched by halving. */
static double *zipf_sums(uint32_t n, double skew)
{
    double *sums = malloc((size_t)n * sizeof(*sums));
    double sum = 0;
    for (uint32_t i = 0; i < n && sums != NULL; i++) {
        sum += pow((double)i + 1, -skew);
        sums[i] = sum;
    }
    return sums;
}

static uint32_t zipf_rank(const double *sums, uint32_t n, uint64_t *random)
{
    const double at = next_unit(random) * sums[n - 1];
    uint32_t low = 0;
    uint32_t high = n - 1;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (sums[middle] < at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* What a rule needs to make its next name. */
struct maker {
    uint64_t random;
    const double *sums;
    size_t at; /* requests made */
};

typedef uint64_t rule_fn(struct maker *maker);

static uint64_t zipf(struct maker *maker)
{
    return zipf_rank(maker->sums, N_KEYS, &maker->random);
}

/* A hot set by Zipf's law, a fifth of the keys, and now and then a walk over all the others, each
 * asked for once on the way: half of all requests. */
static uint64_t scan(struct maker *maker)
{
    enum {
        STRETCH = 40000,
    };
    const size_t turn = maker->at / STRETCH;
    if (turn % 2 == 0) {
        return zipf_rank(maker->sums, N_KEYS / 5, &maker->random);
    }
    return N_KEYS / 5 + (turn / 2 * STRETCH + maker->at % STRETCH) % (N_KEYS - N_KEYS / 5);
}

static uint64_t loop(struct maker *maker)
{
    return maker->at % N_KEYS;
}

/* Four of five requests go to a hot fiftieth of the keys, which is another one after every 100,000
 * requests; the fifth to any key. */
static uint64_t shift(struct maker *maker)
{
    enum {
        STRETCH = 100000,
        N_HOT = N_KEYS / 50,
    };
    const uint64_t start = maker->at / STRETCH * N_HOT;
    const uint64_t any = next_random(&maker->random);
    return any % 5 == 0 ? (any >> 8) % N_KEYS : (start + (any >> 8) % N_HOT) % N_KEYS;
}

static const struct {
    const char *name;
    rule_fn *rule;
    uint32_t n_ranks;
    double skew;
} k_made[] = {
    {"zipf 0.6", zipf, N_KEYS, 0.6}, {"zipf 0.8", zipf, N_KEYS, 0.8},
    {"zipf 1.0", zipf, N_KEYS, 1.0}, {"zipf 1.2", zipf, N_KEYS, 1.2},
    {"scan", scan, N_KEYS / 5, 1.0}, {"loop", loop, 1, 0},
    {"shift", shift, 1, 0},
};

bool trace_make(size_t place, uint64_t seed, struct trace *out)
{
    *out = (struct trace){0};
    if (place >= sizeof(k_made) / sizeof(k_made[0])) {
        return false;
    }
    (void)snprintf(out->name, sizeof(out->name), "%s", k_made[place].name);
    double *sums = zipf_sums(k_made[place].n_ranks, k_made[place].skew);
    struct maker maker = {.random = seed + place, .sums = sums};
    struct names names = {0};
    size_t cap = 0;
    bool is_ok = sums != NULL;
    for (; maker.at < N_REQUESTS && is_ok; maker.at++) {
        is_ok = append(out, &cap, &names, k_made[place].rule(&maker));
    }
    free(sums);
    free(names.names);
    free(names.numbers);
    if (!is_ok) {
        trace_free(out);
    }
    return true;
}

/* --- Read from a file ----------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text);
    const size_t n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static bool read_oracle(FILE *file, struct trace *out, struct names *names)
{
    unsigned char record[ORACLE_BYTES];
    size_t cap = 0;
    size_t n = fread(record, 1, sizeof(record), file);
    for (; n == sizeof(record); n = fread(record, 1, sizeof(record), file)) {
        uint64_t name = 0;
        for (unsigned i = 0; i < 8; i++) {
            name |= (uint64_t)record[4 + i] << (8 * i);
        }
        if (!append(out, &cap, names, name)) {
            return false;
        }
    }
    return n == 0;
}

/* A line's name is a hash of it: two keys of a trace are one with a chance of 2^-64 a pair. */
static bool read_lines(FILE *file, struct trace *out, struct names *names)
{
    static const uint64_t k_offset = 0xcbf29ce484222325U; /* FNV-1a, 64 bits */
    static const uint64_t k_prime = 0x100000001b3U;
    size_t cap = 0;
    uint64_t hash = k_offset;
    size_t len = 0;
    bool is_ok = true;
    for (int c = getc(file); is_ok && (c != EOF || len > 0); c = c == EOF ? EOF : getc(file)) {
        if (c == '\n' || c == EOF) {
            is_ok = len == 0 || append(out, &cap, names, hash);
            hash = k_offset;
            len = 0;
        } else if (c != '\r') {
            hash = (hash ^ (uint64_t)(unsigned char)c) * k_prime;
            len++;
        }
    }
    return is_ok;
}

bool trace_read(const char *path, struct trace *out)
{
    *out = (struct trace){0};
    const char *slash = strrchr(path, '/');
    (void)snprintf(out->name, sizeof(out->name), "%s", slash != NULL ? slash + 1 : path);
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        (void)fprintf(stderr, "%s: cannot be opened\n", path);
        return false;
    }
    struct names names = {0};
    const bool is_oracle = ends_with(path, ".oracleGeneral") ||
                           ends_with(path, ".oracleGeneral.bin");
    const bool is_ok = is_oracle ? read_oracle(file, out, &names)
                                 : read_lines(file, out, &names);
    (void)fclose(file);
    free(names.names);
    free(names.numbers);
    if (!is_ok || out->n == 0) {
        (void)fprintf(stderr, "%s: no requests, a cut record, or too large for this machine\n",
                      path);
        trace_free(out);
        return false;
    }
    return true;
}
