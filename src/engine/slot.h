/* SPDX-License-Identifier: MIT */
/* engine/slot.h — the requests that are under way on one connection: a line of slots, appended at
 * one end and answered from the other.
 *
 * Slots belong to the connection and live as long as it does: a caller that gives up leaves its
 * slot behind, and nothing of its own. They stand in groups; who waits sleeps on the group's word,
 * each with the bit of its slot, so one call wakes all of a group whose replies came together.
 *
 * Appending and reading may be done by two threads at once; each side is one thread at a time. The
 * reader only goes as far as the appender has told it to (faci_conn.n_flushed). */
#ifndef FACI_ENGINE_SLOT_H
#define FACI_ENGINE_SLOT_H

#include "base/wait.h"
#include "engine/command.h"
#include "resp/sink.h"

#include <faciliter/alloc.h>
#include <faciliter/reply.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FACI_SLOT_TEXT_BYTES = 160, /* kept of an error's or a status' text; a short value whole */
    FACI_SLOT_GROUP_SLOTS = 32, /* one bit each */
};

/* What a reply says, but for the content of strings that are longer, and of aggregates. */
struct faci_answer {
    fac_reply_type type; /* of the reply itself */
    int64_t number;      /* its integer, its length, or its count */
    size_t text_len;     /* of an ERROR, a STATUS or a short string, cut to fit */
    char text[FACI_SLOT_TEXT_BYTES];
};

/*
 *              .-- promoted --> READING --.
 *              |                          |
 *   FREE --> WAITING ------ reply ------> DONE -- taken by its caller --> FREE
 *              |                                                           ^
 *              |-- caller leaves, frame was sent ----> TOMBSTONE - reply --|
 *              `-- caller leaves, frame was not sent -> CANCELLED - skipped'
 *
 * Each change is one atomic step: of the reader and the caller that leaves, one wins.
 */
enum faci_slot_state {
    FACI_SLOT_FREE,
    FACI_SLOT_WAITING,
    FACI_SLOT_READING, /* its caller is the one who reads the connection */
    FACI_SLOT_DONE,
    FACI_SLOT_TOMBSTONE,
    FACI_SLOT_CANCELLED,
};

struct faci_slot {
    atomic_uint state; /* enum faci_slot_state */
    struct faci_slot_group *group;
    const struct faci_command *command;
    uint64_t max_reply_bytes;
    size_t frame_bytes; /* on the wire; 0 when it was sent in pieces */
    int64_t sent_ns;    /* when its frame was handed to the kernel */

    /* The reader's, until DONE. */
    struct faci_sink *sink; /* gets the reply as it comes; NULL: it is kept here */
    bool keeps_value;       /* without a sink: the bytes of a string matter */
    bool has_begun;         /* some of the reply has come */
    bool has_no_memory;     /* the value could not be kept */
    unsigned char *value;   /* a string longer than `text` */
    size_t value_cap;
    size_t value_len;
    struct faci_answer answer;
};

struct faci_slot_group {
    struct faci_wait_word word;
    atomic_uint n_live;           /* slots that are not FREE, and places that stand in it */
    struct faci_slot_group *next; /* groups form a circle */
    struct faci_slot slots[FACI_SLOT_GROUP_SLOTS];
};

/* Before which slot: index FACI_SLOT_GROUP_SLOTS is the end of its group. */
struct faci_place {
    struct faci_slot_group *group;
    unsigned index;
};

struct faci_line {
    const fac_allocator *alloc;
    struct faci_place tail;   /* the appender's: where the next slot goes */
    struct faci_place unsent; /* the appender's: the first that was not sent yet */
    struct faci_place due;    /* the reader's: whose reply comes next */
};

/* Empty groups. False: no memory. */
bool faci_line_init(struct faci_line *line, const fac_allocator *alloc);
void faci_line_fini(struct faci_line *line);

/* A slot at the tail, WAITING and otherwise empty. NULL: no memory, nothing has changed. */
struct faci_slot *faci_line_append(struct faci_line *line);

/* The first slot that was not sent yet, which from now on is taken as sent. There must be one. */
struct faci_slot *faci_line_take_unsent(struct faci_line *line);

/* All slots are taken as sent. */
void faci_line_take_all_unsent(struct faci_line *line);

/* The slot that is due, and on to the next one. There must be one. */
struct faci_slot *faci_line_due(struct faci_line *line);
void faci_line_pass_due(struct faci_line *line);

/* The slot at a place, which moves behind it; for a look from `due` to the tail. */
struct faci_slot *faci_place_next(struct faci_place *place);

/* Every slot is FREE again, and all were sent: give back what groups are not needed. */
void faci_line_trim(struct faci_line *line);

/* End a slot whose reply was taken, or is of interest to nobody. */
void faci_slot_release(const fac_allocator *alloc, struct faci_slot *slot);

static inline enum faci_slot_state faci_slot_state(const struct faci_slot *slot)
{
    return (enum faci_slot_state)atomic_load_explicit(&slot->state, memory_order_acquire);
}

/* From one state to another; false when it is in neither. */
static inline bool faci_slot_turn(struct faci_slot *slot, enum faci_slot_state from,
                                  enum faci_slot_state to)
{
    unsigned expected = from;
    return atomic_compare_exchange_strong_explicit(&slot->state, &expected, to,
                                                   memory_order_acq_rel, memory_order_acquire);
}

/* The bit of a slot in its group. */
static inline uint32_t faci_slot_bit(const struct faci_slot *slot)
{
    return UINT32_C(1) << (unsigned)(slot - slot->group->slots);
}

#endif
