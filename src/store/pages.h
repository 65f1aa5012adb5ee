/* SPDX-License-Identifier: MIT */
/* store/pages.h — where a shard's records stand in line: two queues of pages, and the order in which
 * pages have something that expires. Takes no lock: the shard's is held. Inside of src/store only.
 *
 *   queue:  oldest -> [page] - [page] - [page] <- newest, which is being filled
 *   page:   64 places, filled from the first to the last; holes where records left
 *
 * A record's number is page * 64 + place. It changes when the record moves, and whoever knows it
 * (the index) is told. */
#ifndef FACI_STORE_PAGES_H
#define FACI_STORE_PAGES_H

#include "store/record.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FACI_PAGE_PLACES = 64,
    FACI_PAGE_LIMIT = (1 << 18) - 1, /* a record's number has 24 bits, and one is no record */
};

#define FACI_NO_PAGE UINT32_MAX

enum faci_queue_name {
    FACI_QUEUE_SMALL, /* what is new */
    FACI_QUEUE_MAIN,  /* what was asked for again */
    FACI_N_QUEUES,
};

struct faci_page {
    int64_t due_at_ms; /* none of its records expires before; FACI_STORE_NO_EXPIRY: none does */
    uint32_t newer;    /* its neighbours in the queue */
    uint32_t older;
    uint32_t heap_at;
    uint8_t n_filled; /* places given out, holes included */
    uint8_t n_live;
    uint8_t first; /* all places before are holes */
    uint8_t queue;
    unsigned char places[FACI_PAGE_PLACES * FACI_PLACE_BYTES];
};

struct faci_queue {
    uint32_t newest;
    uint32_t oldest;
    uint64_t bytes; /* of its records */
};

/* As initialised, it holds no memory. */
struct faci_pages {
    struct faci_page **pages; /* by number; NULL: free */
    uint32_t
        *heap; /* numbers: n_pages in use, the first due on top; then those that are free */
    uint32_t n_slots;
    uint32_t n_pages;
    uint32_t limit;      /* of n_pages: FACI_PAGE_LIMIT, less in a test */
    int64_t next_due_ms; /* the least due_at_ms; FACI_STORE_NO_EXPIRY: nothing expires */
    struct faci_queue queues[FACI_N_QUEUES];
    uint64_t bytes; /* of the pages and of both arrays */
};

void faci_pages_init(struct faci_pages *pages);

/* Gives all memory back but the records'. */
void faci_pages_fini(struct faci_pages *pages, const fac_allocator *alloc);

/* Whether the queue's next record would need a page more than there may be. */
bool faci_pages_is_full(const struct faci_pages *pages, enum faci_queue_name queue);

/* A place at the end of the queue. `*out` is its number. False: no memory, nothing changed. */
bool faci_pages_push(struct faci_pages *pages, const fac_allocator *alloc,
                     enum faci_queue_name queue, struct faci_record *record, uint32_t *out);

/* Makes a hole. A page without records is freed. */
void faci_pages_take(struct faci_pages *pages, const fac_allocator *alloc, uint32_t number);

/* Frees a page whose records have moved elsewhere, places and all. */
void faci_pages_free_page(struct faci_pages *pages, const fac_allocator *alloc,
                          uint32_t number);

/* The number of the queue's oldest record. False: it is empty. */
bool faci_pages_oldest(const struct faci_pages *pages, enum faci_queue_name queue,
                       uint32_t *out);

/* The number of the record behind this one in its queue. False: it is the newest. */
bool faci_pages_next(const struct faci_pages *pages, uint32_t *number);

/* The page that has something to look at the soonest, at next_due_ms, which is not never. */
static inline uint32_t faci_pages_next_due(const struct faci_pages *pages)
{
    return pages->heap[0];
}

/* A page's next moment to be looked at. */
void faci_pages_set_due(struct faci_pages *pages, uint32_t page, int64_t at_ms);

/* An estimate from below: what both arrays hold. They stay until fini. */
static inline uint64_t faci_pages_array_bytes(const struct faci_pages *pages)
{
    return (uint64_t)pages->n_slots * (sizeof(*pages->pages) + sizeof(*pages->heap));
}

static inline struct faci_page *faci_page_of(const struct faci_pages *pages, uint32_t number)
{
    return pages->pages[number / FACI_PAGE_PLACES];
}

static inline unsigned char *faci_page_place(const struct faci_pages *pages, uint32_t number)
{
    return faci_page_of(pages, number)->places +
           (size_t)(number % FACI_PAGE_PLACES) * FACI_PLACE_BYTES;
}

static inline struct faci_record *faci_record_at(const struct faci_pages *pages,
                                                 uint32_t number)
{
    return faci_place_read(faci_page_place(pages, number));
}

/* NULL makes a hole. */
static inline void faci_place_set(struct faci_pages *pages, uint32_t number,
                                  const struct faci_record *record)
{
    faci_place_write(faci_page_place(pages, number), record);
}

/* A record at this place expires at this moment: the page is due then at the latest. */
static inline void faci_pages_note_expiry(struct faci_pages *pages, uint32_t number,
                                          int64_t at_ms)
{
    if (at_ms < faci_page_of(pages, number)->due_at_ms) {
        faci_pages_set_due(pages, number / FACI_PAGE_PLACES, at_ms);
    }
}

#endif
