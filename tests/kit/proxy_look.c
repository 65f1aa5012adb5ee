/* SPDX-License-Identifier: MIT */
/* kit/proxy_look.c — the proxy's eyes: requests on the way up, replies on the way down. */
#include "kit/proxy_inside.h"

#include <stdio.h>
#include <string.h>

/* --- Up -------------------------------------------------------------------------------------- */

/* Read whole frames; returns how many bytes they were. */
static size_t read_frames(struct proxy_conn *conn, const unsigned char *bytes, size_t len)
{
    struct kit_proxy *proxy = conn->proxy;
    struct kit_frame *frame = &proxy->frame;
    size_t at = 0;
    while (at < len) {
        enum kit_frame_result result = kit_frame_parse(frame, bytes + at, len - at);
        if (result == KIT_FRAME_MORE) {
            break;
        }
        if (result == KIT_FRAME_MALFORMED) {
            conn->is_malformed = true;
            if (proxy->counts.n_malformed++ == 0) {
                (void)snprintf(proxy->counts.malformed, sizeof(proxy->counts.malformed),
                               "connection %zu, byte %llu: %s", conn->index,
                               (unsigned long long)proxy->counts.bytes_in[KIT_UP],
                               frame->problem);
            }
            return len;
        }
        proxy->counts.n_requests++;
        if (proxy->options.on_request != NULL) {
            proxy->options.on_request(proxy->options.context, conn->index, frame);
        }
        at += frame->bytes;
    }
    return at;
}

void proxy_look_up(struct proxy_conn *conn, const unsigned char *bytes, size_t len)
{
    if (conn->is_malformed) {
        return;
    }
    size_t used = 0;
    if (conn->frame_len == 0) {
        used = read_frames(conn, bytes, len);
    }
    if (used < len) {
        conn->frame_bytes = proxy_grow(conn->frame_bytes, &conn->frame_cap,
                                       conn->frame_len + len - used, 1);
        memcpy(conn->frame_bytes + conn->frame_len, bytes + used, len - used);
        bool was_empty = conn->frame_len == 0;
        conn->frame_len += len - used;
        if (!was_empty) {
            used = read_frames(conn, conn->frame_bytes, conn->frame_len);
            conn->frame_len -= used;
            memmove(conn->frame_bytes, conn->frame_bytes + used, conn->frame_len);
        }
    }
}

/* --- Down ------------------------------------------------------------------------------------ */

/* What is done to the reply that begins now. */
static void begin_reply(struct proxy_conn *conn, uint64_t now_ns)
{
    struct kit_proxy *proxy = conn->proxy;
    conn->doing = KIT_REPLY_PASS;
    if (proxy->inject != KIT_REPLY_PASS) {
        conn->doing = proxy->inject;
        proxy->inject = KIT_REPLY_PASS;
    } else if (conn->reply != KIT_REPLY_PASS && conn->n_replies >= conn->reply_at) {
        conn->doing = conn->reply;
        conn->reply_at = conn->reply_mean == 0
                             ? KIT_NEVER
                             : conn->n_replies + proxy_draw(conn, conn->reply_mean);
    }
    conn->twice_len = 0;
    if (conn->doing != KIT_REPLY_PASS) {
        proxy->counts.n_reply_faults++;
    }
    if (conn->doing == KIT_REPLY_INSERT) {
        const char *text = conn->inserted != NULL ? conn->inserted : "$8\r\ninserted\r\n";
        proxy_flow_append(&conn->flow[KIT_DOWN], (const unsigned char *)text, strlen(text),
                          now_ns);
    }
}

static void end_reply(struct proxy_conn *conn)
{
    if (conn->cut.is_push) {
        conn->proxy->counts.n_pushes++;
        return;
    }
    conn->proxy->counts.n_replies++;
    conn->n_replies++;
    if (conn->reply_cut != KIT_CUT_NONE && conn->n_replies >= conn->reply_cut_at) {
        /* Some bytes on: within a frame or at its edge, near or far. */
        uint64_t far = 1U << proxy_draw(conn, 6);
        enum kit_direction direction = proxy_draw(conn, 100) % 2 == 0 ? KIT_UP : KIT_DOWN;
        struct proxy_flow *flow = &conn->flow[direction];
        flow->cut_how = conn->reply_cut;
        flow->cut_at = flow->n_in + proxy_draw(conn, far);
        conn->reply_cut_at = conn->n_replies + proxy_draw(conn, conn->reply_cut_mean);
    }
}

/* A piece of one reply. */
static void pass_piece(struct proxy_conn *conn, const unsigned char *bytes, size_t len,
                       uint64_t now_ns)
{
    if (conn->doing == KIT_REPLY_DROP) {
        return;
    }
    proxy_flow_append(&conn->flow[KIT_DOWN], bytes, len, now_ns);
    if (conn->doing == KIT_REPLY_TWICE) {
        conn->twice = proxy_grow(conn->twice, &conn->twice_cap, conn->twice_len + len, 1);
        memcpy(conn->twice + conn->twice_len, bytes, len);
        conn->twice_len += len;
    }
}

void proxy_look_down(struct proxy_conn *conn, const unsigned char *bytes, size_t len,
                     uint64_t now_ns)
{
    size_t at = 0;
    while (at < len) {
        bool is_end = false;
        if (kit_reply_cut_between(&conn->cut)) {
            begin_reply(conn, now_ns);
        }
        size_t piece = kit_reply_cut_feed(&conn->cut, bytes + at, len - at, &is_end);
        if (conn->cut.problem != NULL && conn->proxy->problem[0] == '\0') {
            (void)snprintf(conn->proxy->problem, sizeof(conn->proxy->problem),
                           "connection %zu: the server sent %s", conn->index,
                           conn->cut.problem);
        }
        pass_piece(conn, bytes + at, piece, now_ns);
        at += piece;
        if (is_end) {
            if (conn->doing == KIT_REPLY_TWICE) {
                proxy_flow_append(&conn->flow[KIT_DOWN], conn->twice, conn->twice_len, now_ns);
            }
            end_reply(conn);
        }
    }
}
