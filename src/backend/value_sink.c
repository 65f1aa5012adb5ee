/* SPDX-License-Identifier: MIT */
/* backend/value_sink.c — from the bytes of a reply to values. */
#include "backend/value_sink.h"

#include "base/value.h"

#include <string.h>

enum {
    AT_ONCE_BYTES = 256 * 1024
}; /* longer values grow as their bytes arrive */

/* --- One value ------------------------------------------------------------------------------ */

static void start(struct faci_value_sink *self, fac_reply_type type, int64_t number)
{
    fac_value_unref(self->value);
    self->value = NULL;
    self->want = 0;
    self->got = 0;
    self->is_out_of_memory = false;
    if (type == FAC_REPLY_STRING) {
        self->want = (size_t)number;
        self->value = faci_value_new(self->alloc,
                                     self->want < AT_ONCE_BYTES ? self->want : AT_ONCE_BYTES);
        self->is_out_of_memory = self->value == NULL;
    }
}

/* Room for `len` more bytes: at least twice as much as before, never more than the value. */
static void grow(struct faci_value_sink *self, size_t len)
{
    size_t have = fac_value_bytes(self->value).len;
    if (self->got + len <= have) {
        return;
    }
    size_t next = have * 2 > self->got + len ? have * 2 : self->got + len;
    fac_value *larger = faci_value_resize(self->value, self->alloc,
                                          next < self->want ? next : self->want);
    if (larger == NULL) {
        fac_value_unref(self->value);
        self->is_out_of_memory = true;
    }
    self->value = larger;
}

static void add(struct faci_value_sink *self, const void *bytes, size_t len)
{
    if (self->value == NULL || len > self->want - self->got) {
        return;
    }
    grow(self, len);
    if (self->value != NULL) {
        memcpy(faci_value_data(self->value) + self->got, bytes, len);
        self->got += len;
    }
}

static void value_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                        unsigned depth)
{
    (void)depth;
    start((struct faci_value_sink *)(void *)sink, type, number);
}

static void value_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    add((struct faci_value_sink *)(void *)sink, bytes, len);
}

static void ignore_end(struct faci_sink *sink)
{
    (void)sink;
}

static const struct faci_sink_ops k_value_ops = {value_begin, value_data, ignore_end};

void faci_value_sink_init(struct faci_value_sink *sink, const fac_allocator *alloc)
{
    *sink = (struct faci_value_sink){.sink = {&k_value_ops}, .alloc = alloc};
}

fac_value *faci_value_sink_take(struct faci_value_sink *sink)
{
    fac_value *value = sink->value;
    sink->value = NULL;
    return value;
}

void faci_value_sink_fini(struct faci_value_sink *sink)
{
    fac_value_unref(faci_value_sink_take(sink));
}

/* --- Into a buffer -------------------------------------------------------------------------- */

static void into_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                       unsigned depth)
{
    (void)depth;
    struct faci_into_sink *self = (struct faci_into_sink *)(void *)sink;
    self->want = type == FAC_REPLY_STRING ? (size_t)number : 0;
    self->got = 0;
}

static void into_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    struct faci_into_sink *self = (struct faci_into_sink *)(void *)sink;
    size_t room = self->want <= self->cap ? self->cap - self->got : 0; /* all or nothing */
    if (len <= room) {
        memcpy(self->buf + self->got, bytes, len);
        self->got += len;
    }
}

static const struct faci_sink_ops k_into_ops = {into_begin, into_data, ignore_end};

void faci_into_sink_init(struct faci_into_sink *sink, void *buf, size_t cap)
{
    *sink = (struct faci_into_sink){.sink = {&k_into_ops}, .buf = buf, .cap = cap};
}

/* --- Many values ---------------------------------------------------------------------------- */

static void put_one(struct faci_values_sink *self)
{
    bool is_out_of_memory = self->one.is_out_of_memory;
    self->put(self->context, self->n_put++, faci_value_sink_take(&self->one), is_out_of_memory);
}

static void values_begin(struct faci_sink *sink, fac_reply_type type, int64_t number,
                         unsigned depth)
{
    struct faci_values_sink *self = (struct faci_values_sink *)(void *)sink;
    start(&self->one, depth == 1 && !self->is_wrong ? type : FAC_REPLY_NULL, number);
    if (depth == 0) {
        self->n_put = 0;
        self->is_wrong = type != FAC_REPLY_ARRAY;
    } else if (type != FAC_REPLY_STRING && type != FAC_REPLY_NULL) {
        self->is_wrong = true;
    } else if (type == FAC_REPLY_NULL && !self->is_wrong) {
        put_one(self);
    }
}

static void values_data(struct faci_sink *sink, const void *bytes, size_t len)
{
    add(&((struct faci_values_sink *)(void *)sink)->one, bytes, len);
}

static void values_end(struct faci_sink *sink)
{
    struct faci_values_sink *self = (struct faci_values_sink *)(void *)sink;
    bool is_whole = self->one.value != NULL && self->one.got == self->one.want;
    if (is_whole || self->one.is_out_of_memory) {
        put_one(self);
        self->one.is_out_of_memory = false;
    }
}

static const struct faci_sink_ops k_values_ops = {values_begin, values_data, values_end};

void faci_values_sink_init(struct faci_values_sink *sink, const fac_allocator *alloc,
                           void (*put)(void *context, size_t index, fac_value *value,
                                       bool is_out_of_memory),
                           void *context)
{
    *sink = (struct faci_values_sink){.sink = {&k_values_ops}, .put = put, .context = context};
    faci_value_sink_init(&sink->one, alloc);
}

void faci_values_sink_fini(struct faci_values_sink *sink)
{
    faci_value_sink_fini(&sink->one);
}
