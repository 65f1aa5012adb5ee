/* SPDX-License-Identifier: MIT */
/* engine/slot.c — a circle of groups that grows where the tail is. A group is used anew once all
 * its slots are free and no place stands in it; a caller that is slow to take its reply holds up
 * nobody but its group. (A place at the end of a group finds the next one when it goes on: were
 * the tail to come round to that group meanwhile, it could put another one between.) */
#include "engine/slot.h"

#include "base/assert.h"
#include "base/mem.h"

enum {
    LOOKS_MAX = 8 /* groups of slow owners that are passed over; beyond, the circle grows */
};

static struct faci_slot_group *new_group(const fac_allocator *alloc)
{
    struct faci_slot_group *group = faci_mem_zalloc(alloc, sizeof(*group));
    if (group != NULL) {
        for (unsigned i = 0; i < FACI_SLOT_GROUP_SLOTS; i++) {
            group->slots[i].group = group;
        }
        group->next = group;
    }
    return group;
}

static bool is_free(const struct faci_slot_group *group)
{
    return atomic_load_explicit(&group->n_live, memory_order_acquire) == 0;
}

static void free_group(const fac_allocator *alloc, struct faci_slot_group *group)
{
    for (unsigned i = 0; i < FACI_SLOT_GROUP_SLOTS; i++) {
        faci_mem_free(alloc, group->slots[i].value);
    }
    faci_mem_free(alloc, group);
}

/* A place that other threads' places and slots are counted with. */
static void stand_in(struct faci_place *place, struct faci_slot_group *group, unsigned index)
{
    struct faci_slot_group *old = place->group;
    if (group != NULL) {
        atomic_fetch_add_explicit(&group->n_live, 1U, memory_order_relaxed);
    }
    *place = (struct faci_place){group, index};
    if (old != NULL) {
        atomic_fetch_sub_explicit(&old->n_live, 1U, memory_order_release);
    }
}

bool faci_line_init(struct faci_line *line, const fac_allocator *alloc)
{
    *line = (struct faci_line){.alloc = alloc};
    struct faci_slot_group *group = new_group(alloc);
    if (group == NULL) {
        return false;
    }
    stand_in(&line->tail, group, 0);
    stand_in(&line->unsent, group, 0);
    stand_in(&line->due, group, 0);
    return true;
}

void faci_line_fini(struct faci_line *line)
{
    struct faci_slot_group *first = line->tail.group;
    if (first == NULL) {
        return;
    }
    struct faci_slot_group *group = first->next;
    while (group != first) {
        struct faci_slot_group *next = group->next;
        free_group(line->alloc, group);
        group = next;
    }
    free_group(line->alloc, first);
    line->tail.group = NULL;
}

void faci_line_trim(struct faci_line *line)
{
    struct faci_slot_group *kept = line->tail.group;
    stand_in(&line->unsent, kept, line->tail.index);
    stand_in(&line->due, kept, line->tail.index);
    struct faci_slot_group *group = kept->next;
    struct faci_slot_group *end = kept;
    if (group != kept) { /* two groups are what an ordinary line goes round in */
        end = group;
        group = group->next;
    }
    while (group != kept) {
        struct faci_slot_group *next = group->next;
        faci_assert(is_free(group));
        free_group(line->alloc, group);
        group = next;
    }
    end->next = kept;
}

/* A free group, which from now on is the one behind the tail's: found near, or a new one. (One that
 * is free lies outside of what is under way, and so do those between the tail's and it: no place
 * stands in them that would go on to the wrong one when it is moved.) */
static struct faci_slot_group *next_group(struct faci_line *line)
{
    struct faci_slot_group *last = line->tail.group;
    struct faci_slot_group *before = last;
    for (unsigned i = 0; i < LOOKS_MAX && before->next != last; i++) {
        struct faci_slot_group *group = before->next;
        if (is_free(group)) {
            before->next = group->next;
            group->next = last->next;
            last->next = group;
            return group;
        }
        before = group;
    }
    struct faci_slot_group *group = new_group(line->alloc);
    if (group != NULL) {
        group->next = last->next;
        last->next = group;
    }
    return group;
}

struct faci_slot *faci_line_append(struct faci_line *line)
{
    if (line->tail.index == FACI_SLOT_GROUP_SLOTS) {
        struct faci_slot_group *group = next_group(line);
        if (group == NULL) {
            return NULL;
        }
        stand_in(&line->tail, group, 0);
    }
    struct faci_slot *slot = &line->tail.group->slots[line->tail.index++];
    faci_assert(faci_slot_state(slot) == FACI_SLOT_FREE);
    atomic_fetch_add_explicit(&slot->group->n_live, 1U, memory_order_relaxed);
    slot->sink = NULL;
    slot->keeps_value = false;
    slot->has_begun = false;
    slot->has_no_memory = false;
    slot->value_len = 0;
    slot->sent_ns = 0;
    slot->frame_bytes = 0;
    atomic_store_explicit(&slot->state, FACI_SLOT_WAITING, memory_order_relaxed);
    return slot;
}

struct faci_slot *faci_line_take_unsent(struct faci_line *line)
{
    if (line->unsent.index == FACI_SLOT_GROUP_SLOTS) {
        stand_in(&line->unsent, line->unsent.group->next, 0);
    }
    return &line->unsent.group->slots[line->unsent.index++];
}

void faci_line_take_all_unsent(struct faci_line *line)
{
    stand_in(&line->unsent, line->tail.group, line->tail.index);
}

struct faci_slot *faci_line_due(struct faci_line *line)
{
    if (line->due.index == FACI_SLOT_GROUP_SLOTS) {
        stand_in(&line->due, line->due.group->next, 0);
    }
    return &line->due.group->slots[line->due.index];
}

void faci_line_pass_due(struct faci_line *line)
{
    line->due.index++;
}

struct faci_slot *faci_place_next(struct faci_place *place)
{
    if (place->index == FACI_SLOT_GROUP_SLOTS) {
        *place = (struct faci_place){place->group->next, 0};
    }
    return &place->group->slots[place->index++];
}

void faci_slot_release(const fac_allocator *alloc, struct faci_slot *slot)
{
    struct faci_slot_group *group = slot->group;
    faci_mem_free(alloc, slot->value);
    slot->value = NULL;
    slot->value_cap = 0;
    atomic_store_explicit(&slot->state, FACI_SLOT_FREE, memory_order_relaxed);
    atomic_fetch_sub_explicit(&group->n_live, 1U, memory_order_release);
}
