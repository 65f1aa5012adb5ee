/* SPDX-License-Identifier: MIT */
/* store/evict.c — who leaves: for want of room, because the time has come, and what moves then.
 * Takes no lock itself: the caller holds the shard's.
 *
 * Design notes.
 *
 * Eviction is S3-FIFO (Yang and others, SOSP 2023), with numbers of our own that docs/design/store.md
 * argues from measurement:
 *
 *             new ->  small, a tenth  --asked for again-->  main  -->  again, as often as used
 *                        |                                   ^ |
 *                        +--not asked for--> gone, a ghost --+ +--not used--> gone
 *
 * A hit sets two bits and moves nothing. What nobody asks for again passes small only, so a scan
 * does not reach main. What comes back while its ghost is there enters main at once.
 *
 * To spare a record moves it to the newest end, which costs a page now and then. At most
 * MAX_SPARED are moved for one eviction. One write pays for more than its own: that which makes the
 * index a segment longer, by an eighth at most, in a shard that is full.
 *
 * Expiry: pages.h keeps the page that is due first on top. Each write, and each read that has read
 * the clock anyway, looks at one page that is due. What came together with one time to live goes
 * together; records of mixed times cost at most a look at their page for each that expires. A page
 * is looked at again after EXPIRY_LAG_MS at the earliest, if nothing comes into it that expires
 * sooner, so that what expires shortly after does not cost another look each. Reads are exact all the
 * same: the record's own moment decides there. */
#include "store/shard.h"

#include "base/assert.h"

enum {
    SMALL_SHARE = 10, /* of the budget, for small */
    MAX_SPARED = 32,
    EXPIRY_LAG_MS = 100,
    JOINED_MAX = FACI_PAGE_PLACES * 3 / 4, /* so that the page is not full at once */
};

/* To the newest end of a queue. False: no memory, nothing changed. */
static bool move(struct faci_shard *shard, const struct faci_spot *spot,
                 enum faci_queue_name to, unsigned n_uses) FACI_REQUIRES(&shard->lock)
{
    struct faci_pages *pages = &shard->table.pages;
    uint32_t number = 0;
    if (!faci_pages_push(pages, shard->env->alloc, to, spot->record, &number)) {
        return false;
    }
    faci_record_set_uses(spot->record, n_uses);
    faci_shard_renumber_locked(shard, spot, number);
    uint64_t bytes = faci_record_bytes(shard->env->alloc, spot->record);
    pages->queues[faci_page_of(pages, spot->number)->queue].bytes -= bytes;
    pages->queues[to].bytes += bytes;
    faci_pages_take(pages, shard->env->alloc, spot->number);
    return true;
}

/* Small's turn while it has more than its share, or nothing else is there. */
static enum faci_queue_name queue_to_shorten(const struct faci_shard *shard)
{
    const struct faci_queue *queues = shard->table.pages.queues;
    bool is_small = queues[FACI_QUEUE_SMALL].bytes >= shard->budget_bytes / SMALL_SHARE ||
                    queues[FACI_QUEUE_MAIN].bytes == 0;
    return is_small ? FACI_QUEUE_SMALL : FACI_QUEUE_MAIN;
}

/* Whether a record may stay for now, and then it has moved. */
static bool spare(struct faci_shard *shard, enum faci_queue_name from,
                  const struct faci_spot *spot, unsigned *n_spared) FACI_REQUIRES(&shard->lock)
{
    unsigned n_uses = faci_record_uses(spot->record);
    if (n_uses == 0 || *n_spared == MAX_SPARED) {
        return false;
    }
    (*n_spared)++;
    return move(shard, spot, FACI_QUEUE_MAIN, from == FACI_QUEUE_SMALL ? 0 : n_uses - 1);
}

/* The oldest of the queue but `keep`. False: there is none. */
static bool find_oldest(const struct faci_shard *shard, enum faci_queue_name name,
                        const struct faci_record *keep, struct faci_spot *out)
    FACI_REQUIRES(&shard->lock)
{
    const struct faci_pages *pages = &shard->table.pages;
    bool is_found = faci_pages_oldest(pages, name, &out->number);
    if (is_found && faci_record_at(pages, out->number) == keep) {
        is_found = faci_pages_next(pages, &out->number);
    }
    if (is_found) {
        out->record = faci_record_at(pages, out->number);
        out->hash = faci_shard_hash_of(shard, out->record);
    }
    return is_found;
}

/* One record moves, or leaves. False: there is none beside `keep`. */
static bool shorten(struct faci_shard *shard, struct faci_shard_op *op,
                    const struct faci_record *keep, unsigned *n_spared)
    FACI_REQUIRES(&shard->lock)
{
    enum faci_queue_name name = queue_to_shorten(shard);
    struct faci_spot spot = {0};
    if (!find_oldest(shard, name, keep, &spot)) {
        name = name == FACI_QUEUE_SMALL ? FACI_QUEUE_MAIN : FACI_QUEUE_SMALL;
        if (!find_oldest(shard, name, keep, &spot)) {
            return false;
        }
    }
    if (faci_shard_has_expired(op, spot.record)) {
        faci_shard_remove_locked(shard, op, &spot, FACI_GONE_EXPIRED);
    } else if (!spare(shard, name, &spot, n_spared)) {
        if (name == FACI_QUEUE_SMALL) {
            faci_ghost_add(&shard->table.index, spot.hash);
        }
        faci_shard_remove_locked(shard, op, &spot, FACI_GONE_EVICTED);
        *n_spared = 0;
    }
    return true;
}

void faci_shard_make_room_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                 const struct faci_record *keep)
{
    unsigned n_spared = 0;
    bool has_more = true;
    while (has_more && faci_shard_bytes_locked(shard) > shard->budget_bytes) {
        has_more = shorten(shard, op, keep, &n_spared);
        faci_assert(has_more); /* what may be held fits into an empty shard */
    }
}

void faci_shard_make_place_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                  enum faci_queue_name name)
{
    unsigned n_spared = MAX_SPARED; /* none: what is spared takes a number, too */
    while (faci_pages_is_full(&shard->table.pages, name) &&
           shorten(shard, op, NULL, &n_spared)) {
        n_spared = MAX_SPARED;
    }
}

/* The arrays of page numbers do not shrink under what they hold: where they would take too much of a
 * budget that was cut, the shard is emptied. */
static void empty_if_too_large(struct faci_shard *shard) FACI_REQUIRES(&shard->lock)
{
    if (faci_pages_array_bytes(&shard->table.pages) > shard->budget_bytes / FACI_PAGES_SHARE) {
        shard->n_evicted += shard->table.n_entries;
        faci_table_fini(&shard->table, shard->env->alloc);
        shard->n_shrunk++;
    }
}

/* The index follows the records while they leave, and is brought down to its share at the end only:
 * fewer buckets for all of them would make chains that each eviction has to walk. */
void faci_shard_set_budget_locked(struct faci_shard *shard, struct faci_shard_op *op,
                                  uint64_t budget_bytes)
{
    const uint32_t n_shrunk = shard->n_shrunk;
    unsigned n_spared = 0;
    faci_shard_set_limits(shard, budget_bytes);
    empty_if_too_large(shard);
    do {
        (void)faci_shard_shrink_index_locked(shard, SIZE_MAX, false);
    } while (faci_shard_bytes_locked(shard) > budget_bytes &&
             shorten(shard, op, NULL, &n_spared));
    (void)faci_shard_shrink_index_locked(shard, SIZE_MAX, true);
    empty_if_too_large(shard); /* what is spared takes pages, too */
    /* Once: a clear's cursor has room for a few bits of it. */
    shard->n_shrunk = n_shrunk + (shard->n_shrunk != n_shrunk);
}

/* --- Expiry --------------------------------------------------------------------------------- */

/* Removes what has expired of a page. The page may be gone then. */
static void expire_page(struct faci_shard *shard, struct faci_shard_op *op, uint32_t page)
    FACI_REQUIRES(&shard->lock)
{
    struct faci_pages *pages = &shard->table.pages;
    int64_t now_ms = faci_shard_op_now(op);
    int64_t next_ms = FACI_STORE_NO_EXPIRY;
    uint32_t n_filled = pages->pages[page]->n_filled;
    for (uint32_t i = pages->pages[page]->first; i < n_filled && pages->pages[page] != NULL;
         i++) {
        struct faci_spot spot = {.number = page * FACI_PAGE_PLACES + i};
        spot.record = faci_record_at(pages, spot.number);
        int64_t at_ms = spot.record != NULL ? faci_record_expires_at(spot.record)
                                            : FACI_STORE_NO_EXPIRY;
        if (at_ms <= now_ms) {
            spot.hash = faci_shard_hash_of(shard, spot.record);
            faci_shard_remove_locked(shard, op, &spot, FACI_GONE_EXPIRED);
        } else if (at_ms < next_ms) {
            next_ms = at_ms;
        }
    }
    if (pages->pages[page] != NULL) {
        int64_t lag_ms = now_ms + EXPIRY_LAG_MS;
        faci_pages_set_due(pages, page, next_ms < lag_ms ? lag_ms : next_ms);
    }
}

void faci_shard_expire_due_locked(struct faci_shard *shard, struct faci_shard_op *op)
{
    expire_page(shard, op, faci_pages_next_due(&shard->table.pages));
}

/* --- Sparse pages --------------------------------------------------------------------------- */

static void renumber(struct faci_shard *shard, uint32_t from, uint32_t to)
    FACI_REQUIRES(&shard->lock)
{
    struct faci_pages *pages = &shard->table.pages;
    struct faci_spot spot = {.number = from, .record = faci_record_at(pages, from)};
    if (spot.record != NULL && from != to) {
        spot.hash = faci_shard_hash_of(shard, spot.record);
        faci_shard_renumber_locked(shard, &spot, to);
        faci_place_set(pages, from, NULL);
        faci_place_set(pages, to, spot.record);
    }
}

/* Both pages' records into the older one, in their order. */
static void join(struct faci_shard *shard, uint32_t older, uint32_t newer)
    FACI_REQUIRES(&shard->lock)
{
    struct faci_pages *pages = &shard->table.pages;
    struct faci_page *into = pages->pages[older];
    const struct faci_page *from = pages->pages[newer];
    uint32_t n = 0;
    for (uint32_t i = 0; i < into->n_filled; i++) {
        if (faci_record_at(pages, older * FACI_PAGE_PLACES + i) != NULL) {
            renumber(shard, older * FACI_PAGE_PLACES + i, older * FACI_PAGE_PLACES + n++);
        }
    }
    for (uint32_t i = 0; i < from->n_filled; i++) {
        if (faci_record_at(pages, newer * FACI_PAGE_PLACES + i) != NULL) {
            renumber(shard, newer * FACI_PAGE_PLACES + i, older * FACI_PAGE_PLACES + n++);
        }
    }
    into->n_filled = (uint8_t)n;
    into->n_live = (uint8_t)n;
    into->first = 0;
    if (from->due_at_ms < into->due_at_ms) {
        faci_pages_set_due(pages, older, from->due_at_ms);
    }
    faci_pages_free_page(pages, shard->env->alloc, newer);
}

void faci_shard_tidy_locked(struct faci_shard *shard, struct faci_shard_op *op)
{
    struct faci_pages *pages = &shard->table.pages;
    uint32_t number = op->sparse_page;
    op->sparse_page = FACI_NO_PAGE;
    if (number >= pages->n_slots || pages->pages[number] == NULL) {
        return; /* none, or gone by now */
    }
    const struct faci_page *page = pages->pages[number];
    if (page->older != FACI_NO_PAGE &&
        pages->pages[page->older]->n_live + page->n_live <= JOINED_MAX) {
        join(shard, page->older, number);
    } else if (page->newer != FACI_NO_PAGE &&
               pages->pages[page->newer]->n_live + page->n_live <= JOINED_MAX) {
        join(shard, number, page->newer);
    }
}
