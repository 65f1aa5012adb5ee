/* SPDX-License-Identifier: MIT */
/* resp/reply.c — builds the tree behind fac_reply as a reply arrives. Memory follows the bytes
 * received: a header alone, whatever it announces, costs at most a few children or the first
 * text block. Once memory has run out the rest of the reply is swallowed. */
#include "resp/reply.h"

#include "base/assert.h"
#include "base/mem.h"

#include <stddef.h>
#include <string.h>

enum {
    CHILDREN_START = 4,          /* most aggregates are pairs or short lists */
    LINE_START_BYTES = 32,       /* "OK", a double, a short error */
    BLOB_START_BYTES = 64 * 1024 /* what a blob may claim before it has arrived */
};

static bool is_text(fac_reply_type type)
{
    return type == FAC_REPLY_STRING || type == FAC_REPLY_VERBATIM || type == FAC_REPLY_STATUS ||
           type == FAC_REPLY_ERROR || type == FAC_REPLY_DOUBLE || type == FAC_REPLY_BIG_NUMBER;
}

static bool is_aggregate(fac_reply_type type)
{
    return type == FAC_REPLY_ARRAY || type == FAC_REPLY_SET || type == FAC_REPLY_MAP;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The place of the next child of the aggregate open at `level`; NULL without memory. */
static fac_reply *add_child(struct faci_reply_sink *sink, unsigned level)
{
    fac_reply *parent = sink->open[level];
    if (parent->n_children == sink->children_cap[level]) {
        size_t cap = parent->n_children == 0 ? CHILDREN_START : 2 * parent->n_children;
        cap = smaller(cap, sink->children_due[level]);
        fac_reply *children = faci_mem_realloc(sink->alloc, parent->children,
                                               cap * sizeof(*children));
        if (children == NULL) {
            return NULL;
        }
        parent->children = children;
        sink->children_cap[level] = cap;
    }
    return &parent->children[parent->n_children++];
}

static fac_reply *add_root(struct faci_reply_sink *sink)
{
    /* Another root: the connection of the first was lost half-way, and the command sent again. */
    faci_reply_sink_fini(sink);
    faci_reply_sink_init(sink, sink->alloc);
    struct faci_reply_root *root = faci_mem_alloc(sink->alloc, sizeof(*root));
    if (root == NULL) {
        return NULL;
    }
    root->alloc = *sink->alloc;
    sink->root = root;
    return &root->reply;
}

static void on_begin(struct faci_sink *base, fac_reply_type type, int64_t number,
                     unsigned depth)
{
    struct faci_reply_sink *sink = (struct faci_reply_sink *)base;
    if (sink->is_out_of_memory) {
        return;
    }
    fac_reply *reply = depth == 0 ? add_root(sink) : add_child(sink, depth - 1);
    if (reply == NULL) {
        sink->is_out_of_memory = true;
        return;
    }
    *reply = (fac_reply){.type = type};
    if (type == FAC_REPLY_INTEGER || type == FAC_REPLY_BOOLEAN) {
        reply->integer = number;
    } else if (is_text(type)) {
        sink->current = reply;
        sink->text_cap = 0;
        sink->text_due = number < 0 ? SIZE_MAX : (size_t)number;
    } else if (is_aggregate(type) && number > 0) {
        sink->open[depth] = reply;
        sink->children_cap[depth] = 0;
        sink->children_due[depth] = (size_t)number;
    }
}

/* Make room for `len` bytes more of the current text, and its NUL. */
static bool reserve_text(struct faci_reply_sink *sink, size_t len)
{
    fac_reply *reply = sink->current;
    if (len <= sink->text_cap - reply->text_len) {
        return true;
    }
    size_t need = reply->text_len + len;
    size_t start = sink->text_due == SIZE_MAX ? LINE_START_BYTES : BLOB_START_BYTES;
    size_t cap = 2 * need > start ? 2 * need : start;
    cap = smaller(cap, sink->text_due);
    unsigned char *text = faci_mem_realloc(sink->alloc, reply->text, cap + 1);
    if (text == NULL) {
        return false;
    }
    reply->text = text;
    sink->text_cap = cap;
    return true;
}

static void on_data(struct faci_sink *base, const void *bytes, size_t len)
{
    struct faci_reply_sink *sink = (struct faci_reply_sink *)base;
    if (sink->is_out_of_memory) {
        return;
    }
    if (!reserve_text(sink, len)) {
        sink->is_out_of_memory = true;
        return;
    }
    fac_reply *reply = sink->current;
    memcpy(reply->text + reply->text_len, bytes, len);
    reply->text_len += len;
}

static void on_end(struct faci_sink *base)
{
    struct faci_reply_sink *sink = (struct faci_reply_sink *)base;
    if (!sink->is_out_of_memory && sink->current->text != NULL) {
        sink->current->text[sink->current->text_len] = '\0';
    }
}

static const struct faci_sink_ops k_ops = {on_begin, on_data, on_end};

void faci_reply_sink_init(struct faci_reply_sink *sink, const fac_allocator *alloc)
{
    *sink = (struct faci_reply_sink){.sink = {&k_ops}, .alloc = alloc};
}

/* Recursion is bounded by FACI_READ_DEPTH_MAX. */
static void free_below(const fac_allocator *alloc, fac_reply *reply)
{
    for (size_t i = 0; i < reply->n_children; i++) {
        free_below(alloc, &reply->children[i]);
    }
    faci_mem_free(alloc, reply->children);
    faci_mem_free(alloc, reply->text);
}

void faci_reply_free(fac_reply *reply)
{
    if (reply == NULL) {
        return;
    }
    struct faci_reply_root *root = (struct faci_reply_root *)reply;
    fac_allocator alloc = root->alloc; /* the root goes last, and the hook with it */
    free_below(&alloc, reply);
    faci_mem_free(&alloc, root);
}

fac_reply *faci_reply_sink_take(struct faci_reply_sink *sink)
{
    fac_reply *reply = NULL;
    if (sink->root != NULL && !sink->is_out_of_memory) {
        reply = &sink->root->reply;
        sink->root = NULL;
    }
    faci_reply_sink_fini(sink);
    return reply;
}

void faci_reply_sink_fini(struct faci_reply_sink *sink)
{
    if (sink->root != NULL) {
        faci_reply_free(&sink->root->reply);
        sink->root = NULL;
    }
}
