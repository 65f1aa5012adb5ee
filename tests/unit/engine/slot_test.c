/* SPDX-License-Identifier: MIT */
/* The line of slots: what goes in comes out in order, whoever is slow to let go. */
#include "engine/slot.h"

#include "kit/kit.h"
#include "kit/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    GROUP = FACI_SLOT_GROUP_SLOTS,
    LINE_MAX_SLOTS = 1024,
};

static void begin(struct kit_memory *memory, struct faci_line *line)
{
    kit_memory_init(memory);
    assert_true(faci_line_init(line, &memory->hook));
}

static void end(struct kit_memory *memory, struct faci_line *line)
{
    faci_line_fini(line);
    kit_memory_assert_empty(memory);
}

static struct faci_slot *append(struct faci_line *line)
{
    struct faci_slot *slot = faci_line_append(line);
    assert_non_null(slot);
    assert_int_equal(faci_slot_state(slot), FACI_SLOT_WAITING);
    return slot;
}

/* Append `n`, all sent; `out` gets them. */
static void append_sent(struct faci_line *line, struct faci_slot **out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = append(line);
        assert_ptr_equal(faci_line_take_unsent(line), out[i]);
    }
}

/* The next `n` replies come, and are those of `slots`; their owners let go of them. */
static void answer(struct faci_line *line, struct faci_slot *const *slots, size_t n,
                   bool releases)
{
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(faci_line_due(line), slots[i]);
        faci_line_pass_due(line);
        if (releases) {
            faci_slot_release(line->alloc, slots[i]);
        }
    }
}

static void test_slot__a_line_goes_round_in_few_groups(void **state)
{
    (void)state;
    struct kit_memory memory;
    struct faci_line line;
    begin(&memory, &line);
    struct faci_slot *slots[8];
    for (unsigned i = 0; i < 100; i++) {
        append_sent(&line, slots, KIT_COUNT(slots));
        answer(&line, slots, KIT_COUNT(slots), true);
    }
    assert_true(memory.n_blocks <= 2);
    end(&memory, &line);
}

static void test_slot__a_line_grows_and_is_trimmed(void **state)
{
    (void)state;
    struct kit_memory memory;
    struct faci_line line;
    begin(&memory, &line);
    static struct faci_slot *slots[LINE_MAX_SLOTS];
    for (unsigned i = 0; i < 3; i++) {
        append_sent(&line, slots, LINE_MAX_SLOTS);
        assert_true(memory.n_blocks >= LINE_MAX_SLOTS / GROUP);
        answer(&line, slots, LINE_MAX_SLOTS, true);
        faci_line_trim(&line);
        assert_true(memory.n_blocks <= 2);
    }
    append_sent(&line, slots, 2 * GROUP);
    answer(&line, slots, 2 * GROUP, true);
    end(&memory, &line);
}

static void test_slot__an_owner_that_is_slow_holds_up_only_its_group(void **state)
{
    (void)state;
    struct kit_memory memory;
    struct faci_line line;
    begin(&memory, &line);
    struct faci_slot *slots[GROUP];
    append_sent(&line, slots, GROUP);
    struct faci_slot *kept = slots[GROUP / 2];
    answer(&line, slots, GROUP, false);
    for (size_t i = 0; i < GROUP; i++) {
        if (slots[i] != kept) {
            faci_slot_release(line.alloc, slots[i]);
        }
    }
    for (unsigned i = 0; i < 50; i++) {
        append_sent(&line, slots, GROUP);
        for (size_t k = 0; k < GROUP; k++) {
            assert_ptr_not_equal(slots[k]->group, kept->group);
        }
        answer(&line, slots, GROUP, true);
    }
    assert_true(memory.n_blocks <= 4);
    assert_int_equal(faci_slot_state(kept), FACI_SLOT_WAITING);
    faci_slot_release(line.alloc, kept);
    faci_line_trim(&line);
    assert_true(memory.n_blocks <= 2);
    end(&memory, &line);
}

/* All of a group is answered and released while its neighbour waits; the place of what is due
 * stands at its end. Were it filled again, a new group could come between the two. */
static void test_slot__a_group_that_due_stands_in_is_not_reused(void **state)
{
    (void)state;
    struct kit_memory memory;
    struct faci_line line;
    begin(&memory, &line);
    struct faci_slot *slots[4 * GROUP];
    append_sent(&line, slots, 2 * GROUP);
    answer(&line, slots, GROUP, true);
    append_sent(&line, slots + 2 * GROUP, 2 * GROUP);
    answer(&line, slots + GROUP, 3 * GROUP, true);
    end(&memory, &line);
}

/* The same for the place of what was not sent yet. */
static void test_slot__a_group_that_unsent_stands_in_is_not_reused(void **state)
{
    (void)state;
    struct kit_memory memory;
    struct faci_line line;
    begin(&memory, &line);
    struct faci_slot *slots[4 * GROUP];
    append_sent(&line, slots, GROUP);
    for (size_t i = GROUP; i < 2 * GROUP; i++) {
        slots[i] = append(&line);
    }
    answer(&line, slots, GROUP, true);
    (void)faci_line_due(&line); /* moves on: only `unsent` stands in the first group */
    for (size_t i = 2 * GROUP; i < 4 * GROUP; i++) {
        slots[i] = append(&line);
    }
    for (size_t i = GROUP; i < 4 * GROUP; i++) {
        assert_ptr_equal(faci_line_take_unsent(&line), slots[i]);
    }
    answer(&line, slots + GROUP, 3 * GROUP, true);
    end(&memory, &line);
}

/* A queue of pointers is the model; owners let go in any order. */
static void test_slot__any_order_of_letting_go_keeps_the_line(void **state)
{
    (void)state;
    uint64_t random = kit_seed();
    struct kit_memory memory;
    struct faci_line line;
    begin(&memory, &line);
    size_t n_steps = kit_scaled(60000);
    struct faci_slot **all = calloc(n_steps, sizeof(*all));
    assert_non_null(all);
    struct faci_slot *slow[64] = {NULL};
    size_t n_appended = 0;
    size_t n_sent = 0;
    size_t n_done = 0;
    for (size_t i = 0; i < n_steps; i++) {
        uint64_t what = kit_random(&random) % 8;
        size_t n_live = n_appended - n_done;
        bool grows = (i / 2000) % 2 == 0;
        if (what < (grows ? 4U : 2U) && n_live < 400) {
            all[n_appended++] = append(&line);
        } else if (what < 5 && n_sent < n_appended) {
            assert_ptr_equal(faci_line_take_unsent(&line), all[n_sent]);
            n_sent++;
        } else if (n_done < n_sent) {
            struct faci_slot *slot = faci_line_due(&line);
            assert_ptr_equal(slot, all[n_done]);
            assert_int_equal(faci_slot_state(slot), FACI_SLOT_WAITING);
            faci_line_pass_due(&line);
            n_done++;
            size_t place = kit_random(&random) % KIT_COUNT(slow);
            if (slow[place] != NULL) {
                faci_slot_release(line.alloc, slow[place]);
            }
            slow[place] = slot;
        }
    }
    for (size_t i = 0; i < KIT_COUNT(slow); i++) {
        if (slow[i] != NULL) {
            faci_slot_release(line.alloc, slow[i]);
        }
    }
    free(all);
    end(&memory, &line);
}

static void test_slot__a_look_along_the_line_moves_nothing(void **state)
{
    (void)state;
    struct kit_memory memory;
    struct faci_line line;
    begin(&memory, &line);
    struct faci_slot *slots[3 * GROUP];
    append_sent(&line, slots, KIT_COUNT(slots));
    answer(&line, slots, GROUP, true);
    struct faci_place place = line.due;
    for (size_t i = GROUP; i < KIT_COUNT(slots); i++) {
        assert_ptr_equal(faci_place_next(&place), slots[i]);
    }
    answer(&line, slots + GROUP, 2 * GROUP, true);
    end(&memory, &line);
}

static void test_slot__without_memory_nothing_changes(void **state)
{
    (void)state;
    struct kit_memory memory;
    struct faci_line line;
    kit_memory_init(&memory);
    kit_memory_fail(&memory, 1, false);
    assert_false(faci_line_init(&line, &memory.hook));
    faci_line_fini(&line);
    kit_memory_assert_empty(&memory);

    begin(&memory, &line);
    struct faci_slot *slots[2 * GROUP];
    append_sent(&line, slots, GROUP);
    for (unsigned i = 0; i < 3; i++) {
        kit_memory_fail(&memory, 1, false);
        assert_null(faci_line_append(&line));
    }
    append_sent(&line, slots + GROUP, GROUP);
    answer(&line, slots, 2 * GROUP, true);
    end(&memory, &line);
}

static void test_slot__a_turn_has_one_winner(void **state)
{
    (void)state;
    struct kit_memory memory;
    struct faci_line line;
    begin(&memory, &line);
    struct faci_slot *slot = append(&line);
    assert_false(faci_slot_turn(slot, FACI_SLOT_READING, FACI_SLOT_DONE));
    assert_true(faci_slot_turn(slot, FACI_SLOT_WAITING, FACI_SLOT_TOMBSTONE));
    assert_false(faci_slot_turn(slot, FACI_SLOT_WAITING, FACI_SLOT_READING));
    assert_int_equal(faci_slot_state(slot), FACI_SLOT_TOMBSTONE);
    faci_slot_release(line.alloc, slot);
    assert_int_equal(faci_slot_state(slot), FACI_SLOT_FREE);
    end(&memory, &line);
}

static void test_slot__is_empty_when_it_is_used_again(void **state)
{
    (void)state;
    struct kit_memory memory;
    struct faci_line line;
    begin(&memory, &line);
    struct faci_sink sink = {NULL};
    uint32_t bits = 0;
    for (size_t i = 0; i < (size_t)4 * GROUP; i++) {
        struct faci_slot *slot = NULL;
        append_sent(&line, &slot, 1);
        assert_true(slot->sink == NULL && !slot->keeps_value && !slot->has_begun);
        assert_true(!slot->has_no_memory && slot->value == NULL && slot->value_len == 0);
        assert_true(slot->sent_ns == 0 && slot->frame_bytes == 0);
        bits = i % GROUP == 0 ? 0 : bits;
        assert_int_equal(bits & faci_slot_bit(slot), 0);
        bits |= faci_slot_bit(slot);
        slot->sink = &sink;
        slot->keeps_value = slot->has_begun = slot->has_no_memory = true;
        slot->value = memory.hook.allocate(memory.hook.context, 8);
        slot->value_cap = slot->value_len = 8;
        slot->sent_ns = 1;
        slot->frame_bytes = 1;
        answer(&line, &slot, 1, true);
    }
    end(&memory, &line);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_slot__a_line_goes_round_in_few_groups),
    KIT_TEST(test_slot__a_line_grows_and_is_trimmed),
    KIT_TEST(test_slot__an_owner_that_is_slow_holds_up_only_its_group),
    KIT_TEST(test_slot__a_group_that_due_stands_in_is_not_reused),
    KIT_TEST(test_slot__a_group_that_unsent_stands_in_is_not_reused),
    KIT_TEST(test_slot__any_order_of_letting_go_keeps_the_line),
    KIT_TEST(test_slot__a_look_along_the_line_moves_nothing),
    KIT_TEST(test_slot__without_memory_nothing_changes),
    KIT_TEST(test_slot__a_turn_has_one_winner),
    KIT_TEST(test_slot__is_empty_when_it_is_used_again),
};

KIT_MAIN(k_tests)
