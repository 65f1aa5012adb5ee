/* SPDX-License-Identifier: MIT */
/* unit/resp/drive.h — feeds a reader in pieces and writes down what came of it. Every piece lies
 * against a protected page, so a byte read too far is a fault. */
#ifndef FAC_UNIT_RESP_DRIVE_H
#define FAC_UNIT_RESP_DRIVE_H

#include "kit/guard.h"
#include "unit/resp/record.h"

#include "resp/reader.h"

#include <stdbool.h>

enum {
    DRIVE_MAX_BLOB_BYTES = 1 << 20,
    DRIVE_MAX_REPLY_BYTES = 4 << 20,
    DRIVE_ROOM_BYTES = 512 * 1024 /* the longest wire */
};

struct drive {
    struct kit_guard guard;
    struct faci_reader reader;
    struct record record;
    bool is_unexpected; /* no reply is due: no sink */
    enum faci_read_result result;
    size_t offset; /* bytes consumed; the refused byte after a failure */
};

static inline void drive_init(struct drive *drive)
{
    kit_guard_init(&drive->guard, DRIVE_ROOM_BYTES);
    drive->record.text = NULL;
    drive->is_unexpected = false;
}

static inline void drive_fini(struct drive *drive)
{
    record_fini(&drive->record);
    kit_guard_fini(&drive->guard);
}

static inline void drive_start(struct drive *drive)
{
    record_fini(&drive->record);
    record_init(&drive->record);
    faci_reader_init(&drive->reader, DRIVE_MAX_BLOB_BYTES, DRIVE_MAX_REPLY_BYTES);
    drive->offset = 0;
    drive->result = FACI_READ_MORE;
}

/* Feed one piece; each reply that ends is written down as ".", each push as ">". */
static inline void drive_feed(struct drive *drive, const char *piece, size_t len)
{
    const unsigned char *begin = kit_guard_place(&drive->guard, piece, len);
    const unsigned char *in = begin;
    const unsigned char *end = begin + len;
    do {
        drive->result = faci_reader_feed(&drive->reader, &in, end,
                                         drive->is_unexpected ? NULL : &drive->record.sink);
        if (drive->result == FACI_READ_REPLY) {
            record_word(&drive->record, ".");
        } else if (drive->result == FACI_READ_PUSH) {
            record_word(&drive->record, ">");
        }
    } while (in < end && (drive->result == FACI_READ_REPLY || drive->result == FACI_READ_PUSH));
    drive->offset += (size_t)(in - begin);
}

static inline bool drive_has_failed(const struct drive *drive)
{
    return drive->result == FACI_READ_MALFORMED || drive->result == FACI_READ_TOO_LARGE;
}

/* A whole wire in pieces of `piece_bytes`, the first one of `first_bytes` (0: like the others). */
static inline void drive_wire(struct drive *drive, const char *wire, size_t len,
                              size_t first_bytes, size_t piece_bytes)
{
    drive_start(drive);
    size_t at = 0;
    size_t next = first_bytes > 0 ? first_bytes : piece_bytes;
    while (at < len && !drive_has_failed(drive)) {
        size_t n = next < len - at ? next : len - at;
        drive_feed(drive, wire + at, n);
        at += n;
        next = piece_bytes;
    }
}

#endif
