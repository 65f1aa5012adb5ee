/* SPDX-License-Identifier: MIT */
/* store/pages.c — pages of places, queues of pages, and a heap of what is due.
 *
 * Design notes.
 *
 * Why pages. S3-FIFO's queues only ever grow at one end and shrink at the other. An array of
 * addresses does that in 6 bytes a record, where a doubly linked list takes 16, and a page has room
 * for what would be too dear for each record: its place in the order of expiry.
 *
 * The heap. `due_at_ms` is a lower bound of what its records' expiry is, so a page whose time has
 * not come need not be looked at. Records that came together with the same time to live are due
 * together, and a page is then looked at once for all of them.
 *
 * The array below the heap holds the numbers of all pages, in use or free, each once. So it is the
 * list of free numbers too, and a page is made or freed without looking for one.
 *
 * Holes. Records leave from the middle when they are deleted or expire. The shard merges pages that
 * have become sparse; here a page without any record is freed, but for the newest of a queue, which
 * is filled anew. */
#include "store/pages.h"

#include "base/assert.h"

enum {
    FIRST_SLOTS = 4
};

void faci_pages_init(struct faci_pages *pages)
{
    *pages = (struct faci_pages){.limit = FACI_PAGE_LIMIT, .next_due_ms = FACI_STORE_NO_EXPIRY};
    for (int i = 0; i < FACI_N_QUEUES; i++) {
        pages->queues[i].newest = FACI_NO_PAGE;
        pages->queues[i].oldest = FACI_NO_PAGE;
    }
}

void faci_pages_fini(struct faci_pages *pages, const fac_allocator *alloc)
{
    for (uint32_t i = 0; i < pages->n_slots; i++) {
        faci_mem_free(alloc, pages->pages[i]);
    }
    faci_mem_free(alloc, pages->pages);
    faci_mem_free(alloc, pages->heap);
    faci_pages_init(pages);
}

/* --- The heap ------------------------------------------------------------------------------- */

static int64_t due_at(const struct faci_pages *pages, uint32_t at)
{
    return pages->pages[pages->heap[at]]->due_at_ms;
}

static void put_in_heap(struct faci_pages *pages, uint32_t at, uint32_t page)
{
    pages->heap[at] = page;
    pages->pages[page]->heap_at = at;
}

static void sift_up(struct faci_pages *pages, uint32_t at)
{
    uint32_t page = pages->heap[at];
    int64_t due_at_ms = pages->pages[page]->due_at_ms;
    while (at > 0 && due_at(pages, (at - 1) / 2) > due_at_ms) {
        put_in_heap(pages, at, pages->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put_in_heap(pages, at, page);
}

static void sift_down(struct faci_pages *pages, uint32_t at)
{
    uint32_t page = pages->heap[at];
    int64_t due_at_ms = pages->pages[page]->due_at_ms;
    while (2 * at + 1 < pages->n_pages) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < pages->n_pages && due_at(pages, child + 1) < due_at(pages, child)) {
            child++;
        }
        if (due_at(pages, child) >= due_at_ms) {
            break;
        }
        put_in_heap(pages, at, pages->heap[child]);
        at = child;
    }
    put_in_heap(pages, at, page);
}

static void note_next_due(struct faci_pages *pages)
{
    pages->next_due_ms = pages->n_pages > 0 ? due_at(pages, 0) : FACI_STORE_NO_EXPIRY;
}

void faci_pages_set_due(struct faci_pages *pages, uint32_t page, int64_t at_ms)
{
    int64_t before_ms = pages->pages[page]->due_at_ms;
    pages->pages[page]->due_at_ms = at_ms;
    if (at_ms < before_ms) {
        sift_up(pages, pages->pages[page]->heap_at);
    } else {
        sift_down(pages, pages->pages[page]->heap_at);
    }
    note_next_due(pages);
}

/* --- Pages ---------------------------------------------------------------------------------- */

static bool add_slots(struct faci_pages *pages, const fac_allocator *alloc)
{
    uint32_t n_slots = pages->n_slots > 0 ? pages->n_slots * 2 : FIRST_SLOTS;
    if (n_slots > FACI_PAGE_LIMIT) {
        n_slots = FACI_PAGE_LIMIT;
    }
    struct faci_page **slots = faci_mem_alloc(alloc, n_slots * sizeof(struct faci_page *));
    uint32_t *heap = faci_mem_alloc(alloc, n_slots * sizeof(*heap));
    if (slots == NULL || heap == NULL) {
        faci_mem_free(alloc, slots);
        faci_mem_free(alloc, heap);
        return false;
    }
    for (uint32_t i = 0; i < n_slots; i++) {
        slots[i] = i < pages->n_slots ? pages->pages[i] : NULL;
        heap[i] = i < pages->n_slots ? pages->heap[i] : i;
    }
    uint64_t before = 0;
    if (pages->n_slots > 0) {
        before = faci_mem_footprint(alloc, pages->pages,
                                    pages->n_slots * sizeof(struct faci_page *)) +
                 faci_mem_footprint(alloc, pages->heap, pages->n_slots * sizeof(*heap));
    }
    faci_mem_free(alloc, pages->pages);
    faci_mem_free(alloc, pages->heap);
    pages->pages = slots;
    pages->heap = heap;
    pages->n_slots = n_slots;
    pages->bytes += faci_mem_footprint(alloc, slots, n_slots * sizeof(struct faci_page *)) +
                    faci_mem_footprint(alloc, heap, n_slots * sizeof(*heap)) - before;
    return true;
}

/* At the newest end of the queue. */
static bool add_page(struct faci_pages *pages, const fac_allocator *alloc,
                     enum faci_queue_name name)
{
    if (pages->n_pages == pages->limit ||
        (pages->n_pages == pages->n_slots && !add_slots(pages, alloc))) {
        return false;
    }
    struct faci_page *page = faci_mem_zalloc(alloc, sizeof(*page));
    if (page == NULL) {
        return false;
    }
    struct faci_queue *queue = &pages->queues[name];
    uint32_t number = pages->heap[pages->n_pages];
    page->due_at_ms = FACI_STORE_NO_EXPIRY;
    page->newer = FACI_NO_PAGE;
    page->older = queue->newest;
    page->queue = (uint8_t)name;
    page->heap_at = pages->n_pages++; /* never due: right at the end of any heap */
    pages->pages[number] = page;
    pages->bytes += faci_mem_footprint(alloc, page, sizeof(*page));
    if (queue->newest != FACI_NO_PAGE) {
        pages->pages[queue->newest]->newer = number;
    } else {
        queue->oldest = number;
    }
    queue->newest = number;
    return true;
}

void faci_pages_free_page(struct faci_pages *pages, const fac_allocator *alloc, uint32_t number)
{
    struct faci_page *page = pages->pages[number];
    struct faci_queue *queue = &pages->queues[page->queue];
    if (page->newer != FACI_NO_PAGE) {
        pages->pages[page->newer]->older = page->older;
    } else {
        queue->newest = page->older;
    }
    if (page->older != FACI_NO_PAGE) {
        pages->pages[page->older]->newer = page->newer;
    } else {
        queue->oldest = page->newer;
    }
    uint32_t at = page->heap_at;
    uint32_t last = pages->heap[--pages->n_pages];
    pages->heap[pages->n_pages] = number;
    if (last != number) {
        put_in_heap(pages, at, last);
        sift_up(pages, at);
        sift_down(pages, pages->pages[last]->heap_at);
    }
    pages->pages[number] = NULL;
    note_next_due(pages);
    pages->bytes -= faci_mem_footprint(alloc, page, sizeof(*page));
    faci_mem_free(alloc, page);
}

/* --- Places --------------------------------------------------------------------------------- */

/* Whether the queue has no page, or a full one. */
static bool needs_page(const struct faci_pages *pages, enum faci_queue_name name)
{
    uint32_t newest = pages->queues[name].newest;
    return newest == FACI_NO_PAGE || pages->pages[newest]->n_filled == FACI_PAGE_PLACES;
}

bool faci_pages_is_full(const struct faci_pages *pages, enum faci_queue_name name)
{
    return pages->n_pages == pages->limit && needs_page(pages, name);
}

bool faci_pages_push(struct faci_pages *pages, const fac_allocator *alloc,
                     enum faci_queue_name name, struct faci_record *record, uint32_t *out)
{
    const struct faci_queue *queue = &pages->queues[name];
    if (needs_page(pages, name) && !add_page(pages, alloc, name)) {
        return false;
    }
    struct faci_page *page = pages->pages[queue->newest];
    *out = queue->newest * FACI_PAGE_PLACES + page->n_filled;
    page->n_filled++;
    page->n_live++;
    faci_place_set(pages, *out, record);
    faci_pages_note_expiry(pages, *out, faci_record_expires_at(record));
    return true;
}

void faci_pages_take(struct faci_pages *pages, const fac_allocator *alloc, uint32_t number)
{
    struct faci_page *page = faci_page_of(pages, number);
    faci_place_set(pages, number, NULL);
    page->n_live--;
    if (page->n_live > 0) {
        return;
    }
    if (page->newer != FACI_NO_PAGE) {
        faci_pages_free_page(pages, alloc, number / FACI_PAGE_PLACES);
    } else {
        page->n_filled = 0;
        page->first = 0;
    }
}

bool faci_pages_oldest(const struct faci_pages *pages, enum faci_queue_name name, uint32_t *out)
{
    uint32_t number = pages->queues[name].oldest;
    if (number == FACI_NO_PAGE || pages->pages[number]->n_live == 0) {
        return false; /* an empty page is the newest, so this is the only one */
    }
    struct faci_page *page = pages->pages[number];
    while (faci_record_at(pages, number * FACI_PAGE_PLACES + page->first) == NULL) {
        page->first++;
    }
    *out = number * FACI_PAGE_PLACES + page->first;
    return true;
}

bool faci_pages_next(const struct faci_pages *pages, uint32_t *number)
{
    uint32_t page = *number / FACI_PAGE_PLACES;
    uint32_t place = *number % FACI_PAGE_PLACES + 1;
    while (page != FACI_NO_PAGE) {
        for (; place < pages->pages[page]->n_filled; place++) {
            if (faci_record_at(pages, page * FACI_PAGE_PLACES + place) != NULL) {
                *number = page * FACI_PAGE_PLACES + place;
                return true;
            }
        }
        page = pages->pages[page]->newer;
        place = 0;
    }
    return false;
}
