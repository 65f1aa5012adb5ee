/* SPDX-License-Identifier: MIT */
/* net/http.c — frames become requests, answers become replies, and the engine above sees a stream.
 *
 * Design notes. Who sends only puts frames, under the session's lock, and wakes the reader: nothing
 * is ever full. Who reads begins a request with what has gathered, and drives it without the lock;
 * nobody else touches what is under way. One request at a time: what comes meanwhile goes along with
 * the next, so many callers make few requests. */
#include "net/http.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/sync.h"
#include "net/module.h"
#include "net/socket.h"

#include <errno.h>
#include <stdatomic.h>

enum {
    DRIVE_MAX_MS = 1000, /* then the deadline is looked at again */
};

struct faci_http {
    const struct faci_http_module *module;
    struct faci_http_options options;
};

struct link {
    struct faci_layer layer; /* first */
    const struct faci_http_module *module;
    const fac_allocator *alloc;
    struct faci_mutex lock;
    struct faci_http_session *session;
    atomic_bool is_shut;
};

static struct link *link_of(const struct faci_stream *stream)
{
    return (struct link *)(void *)stream->layer;
}

static ssize_t http_send_some(struct faci_stream *stream, const struct iovec *parts,
                              int n_parts)
{
    struct link *link = link_of(stream);
    size_t total = 0;
    bool is_put = !atomic_load(&link->is_shut);
    faci_mutex_lock(&link->lock);
    for (int i = 0; i < n_parts && is_put; i++) {
        is_put = link->module->put(link->session, parts[i].iov_base, parts[i].iov_len);
        total += is_put ? parts[i].iov_len : 0;
    }
    faci_mutex_unlock(&link->lock);
    if (!is_put) {
        errno = atomic_load(&link->is_shut) ? EPIPE : ENOMEM;
        return -1;
    }
    link->module->wake(link->session);
    return (ssize_t)total;
}

/* What there is, and the next request begun when there is nothing. */
static ssize_t look(struct link *link, void *buf, size_t cap)
{
    faci_mutex_lock(&link->lock);
    ssize_t n = link->module->take(link->session, buf, cap);
    int take_errno = errno;
    if (n < 0 && take_errno == EAGAIN) {
        link->module->begin(link->session);
        n = link->module->take(link->session, buf, cap); /* some answers need no request */
        take_errno = errno;
    }
    faci_mutex_unlock(&link->lock);
    errno = take_errno;
    return n;
}

static ssize_t http_receive(struct faci_stream *stream, void *buf, size_t cap,
                            int64_t deadline_ns)
{
    struct link *link = link_of(stream);
    for (;;) {
        ssize_t n = look(link, buf, cap);
        if (n >= 0 || errno != EAGAIN) {
            return n;
        }
        if (atomic_load(&link->is_shut)) {
            return 0;
        }
        int64_t left_ns = faci_clock_left_ns(deadline_ns);
        if (left_ns == 0) {
            errno = ETIME;
            return -1;
        }
        int64_t left_ms = left_ns / FACI_NS_PER_MS + 1;
        link->module->drive(link->session,
                            left_ms < DRIVE_MAX_MS ? (int)left_ms : (int)DRIVE_MAX_MS);
    }
}

static ssize_t http_receive_some(struct faci_stream *stream, void *buf, size_t cap)
{
    struct link *link = link_of(stream);
    ssize_t n = look(link, buf, cap);
    if (n < 0 && errno == EAGAIN) {
        link->module->drive(link->session, 0);
        n = look(link, buf, cap);
    }
    return n;
}

/* There is always room; for a reply somebody has to drive. Engines wait for both at once only while
 * something could not be sent, which does not happen here. */
static unsigned http_wait(struct faci_stream *stream, unsigned wants, int64_t deadline_ns)
{
    struct link *link = link_of(stream);
    if ((wants & FACI_READY_WRITE) != 0) {
        return FACI_READY_WRITE;
    }
    int64_t left_ms = faci_clock_left_ns(deadline_ns) / FACI_NS_PER_MS;
    link->module->drive(link->session,
                        left_ms < DRIVE_MAX_MS ? (int)left_ms : (int)DRIVE_MAX_MS);
    return FACI_READY_READ;
}

static fac_status http_why(const struct faci_stream *stream, fac_error *err)
{
    struct link *link = link_of(stream);
    faci_mutex_lock(&link->lock);
    fac_status st = link->module->why(link->session, err);
    faci_mutex_unlock(&link->lock);
    return st;
}

static void http_shut(struct faci_layer *layer)
{
    struct link *link = (struct link *)(void *)layer;
    atomic_store(&link->is_shut, true);
    link->module->wake(link->session);
}

static void http_free(struct faci_layer *layer)
{
    struct link *link = (struct link *)(void *)layer;
    link->module->session_free(link->session);
    faci_mutex_fini(&link->lock);
    faci_mem_free(link->alloc, link);
}

static void http_lock(struct faci_layer *layer) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&((struct link *)(void *)layer)->lock);
}

static void http_unlock(struct faci_layer *layer) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_unlock(&((struct link *)(void *)layer)->lock);
}

static const struct faci_layer_ops k_http_ops = {
    .send_some = http_send_some,
    .receive_some = http_receive_some,
    .receive = http_receive,
    .wait = http_wait,
    .why = http_why,
    .shut = http_shut,
    .free = http_free,
    .lock = http_lock,
    .unlock = http_unlock,
};

fac_status faci_http_attach(struct faci_http *http, struct faci_stream *stream, fac_error *err)
{
    struct link *link = faci_mem_zalloc(http->options.alloc, sizeof(*link));
    if (link == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    link->layer.ops = &k_http_ops;
    link->module = http->module;
    link->alloc = http->options.alloc;
    fac_status st = http->module->session_new(&http->options, &link->session, err);
    if (st < 0) {
        faci_mem_free(http->options.alloc, link);
        return st;
    }
    faci_mutex_init(&link->lock);
    atomic_init(&link->is_shut, false);
    faci_stream_put_layer(stream, &link->layer);
    return FAC_OK;
}

fac_status faci_http_open(const struct faci_http_options *options, struct faci_http **out,
                          fac_error *err)
{
    const struct faci_http_module *module = NULL;
    fac_status st = faci_module_http(&module, err);
    if (st < 0) {
        return st;
    }
    struct faci_http *http = faci_mem_zalloc(options->alloc, sizeof(*http));
    if (http == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    http->module = module;
    http->options = *options;
    /* One that is made and thrown away: what is wrong with the settings shows now. */
    struct faci_http_session *session = NULL;
    st = module->session_new(&http->options, &session, err);
    if (st < 0) {
        faci_http_free(http);
        return st;
    }
    module->session_free(session);
    *out = http;
    return FAC_OK;
}

void faci_http_free(struct faci_http *http)
{
    if (http != NULL) {
        faci_mem_free(http->options.alloc, http);
    }
}
