/* SPDX-License-Identifier: MIT */
/* engine/slot.c — a circle of groups that grows where the tail is. A group is used anew once all
 * its slots are free; a caller that is slow to take its reply holds up nobody but its group. */
#include "engine/slot.h"

#include "base/assert.h"
#include "base/mem.h"

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

bool faci_line_init(struct faci_line *line, const fac_allocator *alloc)
{
    *line = (struct faci_line){.alloc = alloc, .first = new_group(alloc)};
    line->tail.group = line->first;
    line->due.group = line->first;
    return line->first != NULL;
}

static void free_group(const fac_allocator *alloc, struct faci_slot_group *group)
{
    for (unsigned i = 0; i < FACI_SLOT_GROUP_SLOTS; i++) {
        faci_mem_free(alloc, group->slots[i].value);
    }
    faci_mem_free(alloc, group);
}

void faci_line_fini(struct faci_line *line)
{
    if (line->first == NULL) {
        return;
    }
    struct faci_slot_group *group = line->first->next;
    while (group != line->first) {
        struct faci_slot_group *next = group->next;
        free_group(line->alloc, group);
        group = next;
    }
    free_group(line->alloc, line->first);
    line->first = NULL;
}

void faci_line_trim(struct faci_line *line)
{
    struct faci_slot_group *kept = line->tail.group;
    struct faci_slot_group *group = kept->next;
    while (group != kept) {
        struct faci_slot_group *next = group->next;
        faci_assert(atomic_load_explicit(&group->n_live, memory_order_relaxed) == 0);
        free_group(line->alloc, group);
        group = next;
    }
    kept->next = kept;
    line->first = kept;
    line->due = line->tail;
}

/* The group behind the tail's if it is free, or a new one between the two. */
static struct faci_slot_group *next_group(struct faci_line *line)
{
    struct faci_slot_group *last = line->tail.group;
    if (atomic_load_explicit(&last->next->n_live, memory_order_acquire) == 0) {
        return last->next;
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
        line->tail = (struct faci_place){group, 0};
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

static void enter_group(struct faci_place *place)
{
    if (place->index == FACI_SLOT_GROUP_SLOTS) {
        *place = (struct faci_place){place->group->next, 0};
    }
}

struct faci_slot *faci_place_next(struct faci_place *place)
{
    enter_group(place);
    return &place->group->slots[place->index++];
}

struct faci_slot *faci_line_due(struct faci_line *line)
{
    enter_group(&line->due);
    return &line->due.group->slots[line->due.index];
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
