/* SPDX-License-Identifier: MIT */
/* One line of slots and several threads: who appends, who reads, and those who take their replies. */
#include "engine/slot.h"

#include "kit/kit.h"
#include "kit/memory.h"
#include "kit/wait.h"

#include <sched.h>

/* --- Two who want the same slot --------------------------------------------------------------- */

enum {
    N_RACES = 20000
};

struct race {
    struct faci_slot slot;
    atomic_uint n_begun; /* both, once for each race */
    atomic_uint n_ended;
    atomic_uint n_won[2];
    atomic_uint n_rounds;
};

static void turn_it(size_t index, void *context)
{
    struct race *race = context;
    static const enum faci_slot_state k_to[] = {FACI_SLOT_TOMBSTONE, FACI_SLOT_READING};
    for (unsigned i = 0; i < N_RACES; i++) {
        atomic_fetch_add(&race->n_begun, 1U);
        while (atomic_load(&race->n_begun) < 2 * (i + 1)) {
            (void)sched_yield();
        }
        bool has_won = faci_slot_turn(&race->slot, FACI_SLOT_WAITING, k_to[index]);
        atomic_fetch_add(&race->n_won[index], has_won ? 1U : 0U);
        if (atomic_fetch_add(&race->n_ended, 1U) % 2 == 1) {
            atomic_store(&race->slot.state, FACI_SLOT_WAITING);
            atomic_fetch_add(&race->n_rounds, 1U);
        }
        while (atomic_load(&race->n_rounds) < i + 1) {
            (void)sched_yield();
        }
    }
}

static void test_slot_threads__of_two_that_turn_it_one_wins(void **state)
{
    (void)state;
    static struct race race;
    atomic_store(&race.slot.state, FACI_SLOT_WAITING);
    struct kit_threads *threads = kit_threads_start(2, turn_it, &race);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&race.n_won[0]) + atomic_load(&race.n_won[1]), N_RACES);
}

/* --- Appender, reader and owners at once ------------------------------------------------------ */

enum {
    N_OWNERS = 3,
    N_REQUESTS = 60000,
    WINDOW = 150, /* under way at most */
};

/* One thread appends and sends; one reads; owners take their replies when they please. What a slot
 * is for is its number, written by the appender, given back by the reader. */
struct crowd {
    struct kit_memory memory;
    struct faci_line line;
    _Atomic uint64_t n_sent;
    _Atomic uint64_t n_read;
    _Atomic(struct faci_slot *) owned[N_OWNERS]; /* DONE, to be taken; NULL: none */
    _Atomic uint64_t n_taken;
    atomic_uint n_wrong;
    uint64_t seed;
};

static void own(struct crowd *crowd, size_t index)
{
    uint64_t seed = crowd->seed + index;
    while (atomic_load(&crowd->n_taken) < N_REQUESTS) {
        struct faci_slot *slot = atomic_exchange(&crowd->owned[index], NULL);
        if (slot == NULL) {
            (void)sched_yield();
            continue;
        }
        uint64_t number = slot->max_reply_bytes;
        for (uint64_t n = kit_random(&seed) % 8; n > 6; n--) {
            (void)sched_yield(); /* slow at times */
        }
        bool is_right = slot->max_reply_bytes == number &&
                        slot->answer.number == (int64_t)number &&
                        faci_slot_state(slot) == FACI_SLOT_DONE;
        atomic_fetch_add(&crowd->n_wrong, is_right ? 0U : 1U);
        faci_slot_release(&crowd->memory.hook, slot);
        atomic_fetch_add(&crowd->n_taken, 1U);
    }
}

static void append_all(struct crowd *crowd)
{
    uint64_t seed = crowd->seed - 1;
    struct faci_line *line = &crowd->line;
    uint64_t n_appended = 0;
    uint64_t n_sent = 0;
    while (n_sent < N_REQUESTS) {
        for (uint64_t n = kit_random(&seed) % 40; n > 0 && n_appended < N_REQUESTS; n--) {
            if (n_appended - atomic_load(&crowd->n_read) >= WINDOW) {
                (void)sched_yield();
                break;
            }
            struct faci_slot *slot = faci_line_append(line);
            slot->max_reply_bytes = ++n_appended;
        }
        for (; n_sent < n_appended; n_sent++) {
            struct faci_slot *slot = faci_line_take_unsent(line);
            atomic_fetch_add(&crowd->n_wrong, slot->max_reply_bytes == n_sent + 1 ? 0U : 1U);
        }
        atomic_store_explicit(&crowd->n_sent, n_sent, memory_order_release);
    }
}

static void read_all(struct crowd *crowd)
{
    struct faci_line *line = &crowd->line;
    uint64_t n_read = 0;
    while (n_read < N_REQUESTS) {
        if (n_read == atomic_load_explicit(&crowd->n_sent, memory_order_acquire)) {
            (void)sched_yield();
            continue;
        }
        struct faci_slot *slot = faci_line_due(line);
        faci_line_pass_due(line);
        slot->answer.number = (int64_t)++n_read;
        bool was_waiting = faci_slot_turn(slot, FACI_SLOT_WAITING, FACI_SLOT_DONE);
        atomic_fetch_add(&crowd->n_wrong, was_waiting ? 0U : 1U);
        struct faci_slot *none = NULL;
        _Atomic(struct faci_slot *) *owned = &crowd->owned[n_read % N_OWNERS];
        if (!atomic_compare_exchange_strong(owned, &none, slot)) {
            faci_slot_release(&crowd->memory.hook, slot); /* that owner is busy */
            atomic_fetch_add(&crowd->n_taken, 1U);
        }
        atomic_store(&crowd->n_read, n_read);
    }
}

static void be_one(size_t index, void *context)
{
    struct crowd *crowd = context;
    if (index == N_OWNERS) {
        append_all(crowd);
    } else if (index == N_OWNERS + 1) {
        read_all(crowd);
    } else {
        own(crowd, index);
    }
}

static void test_slot_threads__appender_reader_and_owners_do_not_meet(void **state)
{
    (void)state;
    static struct crowd crowd;
    crowd.seed = kit_seed();
    kit_memory_init(&crowd.memory);
    assert_true(faci_line_init(&crowd.line, &crowd.memory.hook));
    struct kit_threads *threads = kit_threads_start(N_OWNERS + 2, be_one, &crowd);
    kit_threads_join(threads);
    assert_int_equal(atomic_load(&crowd.n_wrong), 0);
    assert_int_equal(atomic_load(&crowd.n_taken), N_REQUESTS);
    faci_line_trim(&crowd.line);
    assert_in_range(atomic_load(&crowd.memory.n_blocks), 1, 2);
    faci_line_fini(&crowd.line);
    kit_memory_assert_empty(&crowd.memory);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_slot_threads__of_two_that_turn_it_one_wins),
    KIT_TEST(test_slot_threads__appender_reader_and_owners_do_not_meet),
};

KIT_MAIN(k_tests)
