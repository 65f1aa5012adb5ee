/* SPDX-License-Identifier: MIT */
/* net/tls.c — a stream through a TLS session.
 *
 * Design notes. One thread may send while another receives, and a session bears one at a time: its
 * lock is held around each call into the module, never while anything waits. The reader receives
 * from the socket into the session's room without the lock, since nobody else does, and only then
 * takes it to have the bytes deciphered. Waiting is for the socket, as without TLS, but for bytes
 * that have arrived already: those are taken first. Lock order: a stream's, then its session's;
 * the context's owner stands before both, and no two of them are held at once but around a fork. */
#include "net/tls.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/sync.h"
#include "net/module.h"
#include "net/socket.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

struct faci_tls {
    const struct faci_tls_module *module;
    struct faci_tls_options options;
    char name[FACI_TLS_NAME_BYTES];
    struct faci_mutex lock; /* of what follows */
    struct faci_tls_context *context;
    struct faci_tls_report report;
};

/* What stands on a stream. */
struct link {
    struct faci_layer layer; /* first */
    const struct faci_tls_module *module;
    const fac_allocator *alloc;
    int fd;
    struct faci_mutex lock; /* of the session, but for its room */
    struct faci_tls_session *session;
};

static struct link *link_of(const struct faci_stream *stream)
{
    return (struct link *)(void *)stream->layer;
}

/* --- A stream's calls ------------------------------------------------------------------------- */

static ssize_t send_to_socket(void *context, const void *bytes, size_t len)
{
    const struct link *link = context;
    ssize_t n = 0;
    do {
        n = send(link->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* A record at a time, so that the reader gets in between. */
static ssize_t tls_send_some(struct faci_stream *stream, const struct iovec *parts, int n_parts)
{
    struct link *link = link_of(stream);
    size_t total = 0;
    for (int i = 0; i < n_parts; i++) {
        const char *at = parts[i].iov_base;
        size_t left = parts[i].iov_len;
        while (left > 0) {
            faci_mutex_lock(&link->lock);
            ssize_t n = link->module->write(link->session, at, left);
            int write_errno = errno;
            faci_mutex_unlock(&link->lock);
            if (n < 0) {
                errno = write_errno;
                return total > 0 ? (ssize_t)total : -1;
            }
            at += n;
            left -= (size_t)n;
            total += (size_t)n;
        }
    }
    return (ssize_t)total;
}

struct intake {
    void *room;
    size_t room_bytes; /* 0: nothing may be received now */
    bool wants_write;
};

/* Deciphered bytes; or -1 with EAGAIN, and what has to happen first. */
static ssize_t decipher(struct link *link, size_t n_arrived, void *buf, size_t cap,
                        struct intake *next)
{
    faci_mutex_lock(&link->lock);
    if (n_arrived > 0) {
        link->module->arrived(link->session, n_arrived);
    }
    ssize_t n = link->module->read(link->session, buf, cap);
    int read_errno = errno;
    if (n < 0 && read_errno == EAGAIN) {
        next->wants_write = link->module->wants_write(link->session);
        next->room_bytes = link->module->room(link->session, &next->room);
    }
    faci_mutex_unlock(&link->lock);
    errno = read_errno;
    return n;
}

static ssize_t tls_receive_some(struct faci_stream *stream, void *buf, size_t cap)
{
    struct link *link = link_of(stream);
    struct intake next = {0};
    ssize_t got = 0;
    for (;;) {
        ssize_t n = decipher(link, (size_t)got, buf, cap, &next);
        if (n >= 0 || errno != EAGAIN || next.room_bytes == 0) {
            return n;
        }
        got = faci_socket_receive_some(stream, next.room, next.room_bytes);
        if (got <= 0) {
            return got;
        }
    }
}

/* The session has to send before it goes on: rare, and never while much is to be read. */
static ssize_t receive_after_sending(struct faci_stream *stream, const struct intake *next,
                                     int64_t deadline_ns)
{
    unsigned wants = next->room_bytes > 0 ? FACI_READY_READ | FACI_READY_WRITE
                                          : FACI_READY_WRITE;
    unsigned ready = faci_clock_left_ns(deadline_ns) > 0
                         ? faci_socket_wait(stream, wants, deadline_ns)
                         : FACI_READY_LATE;
    if (ready == FACI_READY_LATE) {
        errno = ETIME;
        return -1;
    }
    if ((ready & FACI_READY_READ) == 0 || next->room_bytes == 0) {
        errno = EAGAIN;
        return -1;
    }
    return faci_socket_receive_some(stream, next->room, next->room_bytes);
}

static ssize_t tls_receive(struct faci_stream *stream, void *buf, size_t cap,
                           int64_t deadline_ns)
{
    struct link *link = link_of(stream);
    struct intake next = {0};
    ssize_t got = 0;
    for (;;) {
        ssize_t n = decipher(link, (size_t)got, buf, cap, &next);
        if (n >= 0 || errno != EAGAIN) {
            return n;
        }
        got = next.wants_write
                  ? receive_after_sending(stream, &next, deadline_ns)
                  : faci_socket_receive(stream, next.room, next.room_bytes, deadline_ns);
        if (got < 0 && errno == EAGAIN) {
            got = 0;
        } else if (got <= 0) {
            return got;
        }
    }
}

static unsigned tls_wait(struct faci_stream *stream, unsigned wants, int64_t deadline_ns)
{
    struct link *link = link_of(stream);
    faci_mutex_lock(&link->lock);
    bool has_input = link->module->has_input(link->session);
    bool wants_write = link->module->wants_write(link->session);
    faci_mutex_unlock(&link->lock);
    bool reads = (wants & FACI_READY_READ) != 0;
    if (reads && has_input) {
        return FACI_READY_READ;
    }
    bool sends_first = reads && wants_write;
    unsigned ready = faci_socket_wait(stream, sends_first ? wants | FACI_READY_WRITE : wants,
                                      deadline_ns);
    return sends_first && (ready & FACI_READY_WRITE) != 0 ? ready | FACI_READY_READ : ready;
}

static fac_status tls_why(const struct faci_stream *stream, fac_error *err)
{
    struct link *link = link_of(stream);
    faci_mutex_lock(&link->lock);
    fac_status st = link->module->why(link->session, err);
    faci_mutex_unlock(&link->lock);
    return st;
}

static void tls_free(struct faci_layer *layer)
{
    struct link *link = (struct link *)(void *)layer;
    link->module->session_free(link->session);
    faci_mutex_fini(&link->lock);
    faci_mem_free(link->alloc, link);
}

static void tls_lock(struct faci_layer *layer) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&((struct link *)(void *)layer)->lock);
}

static void tls_unlock(struct faci_layer *layer) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_unlock(&((struct link *)(void *)layer)->lock);
}

static const struct faci_layer_ops k_tls_ops = {
    .send_some = tls_send_some,
    .receive_some = tls_receive_some,
    .receive = tls_receive,
    .wait = tls_wait,
    .why = tls_why,
    .free = tls_free,
    .lock = tls_lock,
    .unlock = tls_unlock,
};

/* --- The handshake ---------------------------------------------------------------------------- */

/* What the socket said while the handshake needed it. */
static fac_status fail_in_handshake(ssize_t got, int os_errno, fac_error *err)
{
    char text[96];
    if (got == 0) {
        return faci_fail(err, FAC_E_UNAVAILABLE, 0,
                         "the server closed the connection during the TLS handshake");
    }
    if (os_errno == ETIME) {
        return faci_fail(err, FAC_E_TIMEOUT, 0, "the TLS handshake took too long");
    }
    return faci_fail(err, FAC_E_UNAVAILABLE, os_errno, "in the TLS handshake: %s",
                     faci_errno_text(os_errno, text, sizeof(text)));
}

/*
 * A Redis that speaks no TLS takes a ClientHello for the beginning of a line, and waits for its end:
 * whoever mixed up the ports would only learn that nothing came in time. A line of more than 64 KiB
 * it refuses, in plain text. So, when hardly any time is left and not a byte has come, that much is
 * sent; a handshake that could still have succeeded was none within the deadline.
 */
static void tell_plain_from_slow(struct faci_stream *stream, int64_t deadline_ns)
{
    static const char k_filling[4096];
    size_t left = (size_t)64 * 1024 + sizeof(k_filling);
    while (left > 0) {
        ssize_t n = send(stream->fd, k_filling, sizeof(k_filling), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            left -= (size_t)n < left ? (size_t)n : left;
        } else if (errno != EAGAIN || faci_clock_left_ns(deadline_ns) == 0 ||
                   (faci_socket_wait(stream, FACI_READY_WRITE, deadline_ns) &
                    FACI_READY_WRITE) == 0) {
            return;
        }
    }
}

/* As much as arrives; of the first bytes at most seven eighths of the time are waited for. */
static ssize_t receive_in_handshake(struct faci_stream *stream, void *room, size_t room_bytes,
                                    bool is_first, int64_t deadline_ns)
{
    if (!is_first || deadline_ns == FACI_NEVER_NS) {
        return faci_socket_receive(stream, room, room_bytes, deadline_ns);
    }
    int64_t early_ns = deadline_ns - faci_clock_left_ns(deadline_ns) / 8;
    ssize_t got = faci_socket_receive(stream, room, room_bytes, early_ns);
    if (got < 0 && errno == ETIME) {
        tell_plain_from_slow(stream, deadline_ns);
        got = faci_socket_receive(stream, room, room_bytes, deadline_ns);
    }
    return got;
}

static fac_status shake_hands(struct faci_stream *stream, struct link *link,
                              int64_t deadline_ns, fac_error *err)
{
    size_t n_arrived = 0;
    bool is_first = true;
    for (;;) {
        void *room = NULL;
        faci_mutex_lock(&link->lock);
        if (n_arrived > 0) {
            link->module->arrived(link->session, n_arrived);
        }
        enum faci_tls_step step = link->module->handshake(link->session, err);
        size_t room_bytes = link->module->room(link->session, &room);
        faci_mutex_unlock(&link->lock);
        n_arrived = 0;
        if (step == FACI_TLS_DONE || step == FACI_TLS_FAILED) {
            return step == FACI_TLS_DONE ? FAC_OK : FAC_E_PROTOCOL;
        }
        if (step == FACI_TLS_WANTS_WRITE) {
            /* That it can be written does not say that it takes anything. */
            if (faci_clock_left_ns(deadline_ns) == 0 ||
                faci_socket_wait(stream, FACI_READY_WRITE, deadline_ns) == FACI_READY_LATE) {
                return fail_in_handshake(-1, ETIME, err);
            }
            continue;
        }
        ssize_t got = receive_in_handshake(stream, room, room_bytes, is_first, deadline_ns);
        if (got <= 0) {
            return fail_in_handshake(got, errno, err);
        }
        is_first = false;
        n_arrived = (size_t)got;
    }
}

/* The context of now: with files that have changed it is made anew, from the start. */
static fac_status renew_locked(struct faci_tls *tls, fac_error *err) FACI_REQUIRES(&tls->lock)
{
    if (tls->context != NULL && tls->module->context_is_current(tls->context)) {
        return FAC_OK;
    }
    struct faci_tls_context *context = NULL;
    fac_status st = tls->module->context_new(&tls->options, &context, err);
    if (st == FAC_OK) {
        tls->module->context_unref(tls->context);
        tls->context = context;
        tls->report.cert_expires_at_s = tls->module->context_expiry(context);
    }
    return st;
}

/* The stream's from here on; NULL, and the error tells. */
static struct link *attach(struct faci_tls *tls, struct faci_stream *stream, fac_error *err)
{
    struct link *link = faci_mem_zalloc(tls->options.alloc, sizeof(*link));
    if (link == NULL) {
        (void)faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
        return NULL;
    }
    link->layer.ops = &k_tls_ops;
    link->module = tls->module;
    link->alloc = tls->options.alloc;
    link->fd = stream->fd;
    faci_mutex_lock(&tls->lock);
    fac_status st = renew_locked(tls, err);
    if (st == FAC_OK) {
        st = tls->module->session_new(tls->context, send_to_socket, link, &link->session, err);
    }
    faci_mutex_unlock(&tls->lock);
    if (st < 0) {
        faci_mem_free(tls->options.alloc, link);
        return NULL;
    }
    faci_mutex_init(&link->lock);
    faci_stream_put_layer(stream, &link->layer);
    return link;
}

fac_status faci_tls_secure(struct faci_tls *tls, struct faci_stream *stream,
                           int64_t deadline_ns, fac_error *err)
{
    faci_assert(stream->layer == NULL);
    fac_error why;
    faci_error_clear(&why);
    struct link *link = attach(tls, stream, &why);
    if (link == NULL || shake_hands(stream, link, deadline_ns, &why) < 0) {
        if (err != NULL) {
            *err = why;
        }
        return why.status;
    }
    struct faci_tls_facts facts;
    faci_mutex_lock(&link->lock);
    link->module->facts(link->session, &facts);
    faci_mutex_unlock(&link->lock);
    faci_mutex_lock(&tls->lock);
    tls->report.handshakes++;
    tls->report.resumed += facts.is_resumed ? 1U : 0U;
    tls->report.last = facts;
    faci_mutex_unlock(&tls->lock);
    return FAC_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

fac_status faci_tls_open(const struct faci_tls_options *options, struct faci_tls **out,
                         fac_error *err)
{
    const struct faci_tls_module *module = NULL;
    fac_status st = faci_module_tls(&module, err);
    if (st < 0) {
        return st;
    }
    struct faci_tls *tls = faci_mem_zalloc(options->alloc, sizeof(*tls));
    if (tls == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    tls->module = module;
    tls->options = *options;
    /* "host." is host, said absolutely: no certificate has the dot (RFC 6066, 3). */
    size_t name_len = strlen(options->name);
    name_len -= name_len > 1 && options->name[name_len - 1] == '.' ? 1U : 0U;
    faci_check(name_len < sizeof(tls->name));
    memcpy(tls->name, options->name, name_len);
    tls->options.name = tls->name;
    faci_mutex_init(&tls->lock);
    faci_mutex_lock(&tls->lock);
    st = renew_locked(tls, err);
    faci_mutex_unlock(&tls->lock);
    if (st < 0) {
        faci_tls_free(tls);
        return st;
    }
    *out = tls;
    return FAC_OK;
}

void faci_tls_free(struct faci_tls *tls)
{
    if (tls != NULL) {
        tls->module->context_unref(tls->context);
        faci_mutex_fini(&tls->lock);
        faci_mem_free(tls->options.alloc, tls);
    }
}

void faci_tls_report(struct faci_tls *tls, struct faci_tls_report *out)
{
    faci_mutex_lock(&tls->lock);
    *out = tls->report;
    faci_mutex_unlock(&tls->lock);
}

void faci_tls_lock(struct faci_tls *tls) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_lock(&tls->lock);
}

void faci_tls_unlock(struct faci_tls *tls) FACI_NO_LOCK_ANALYSIS
{
    faci_mutex_unlock(&tls->lock);
}
