/* SPDX-License-Identifier: MIT */
/* kit/stub_script.c — conversations as data: the steps of a stub's connection. */
#include "kit/kit.h"
#include "kit/stub.h"

#include <stdio.h>
#include <string.h>

bool kit_stub_answer(struct kit_stub_conn *conn, const struct kit_frame *frame)
{
    static const struct {
        const char *name;
        const char *reply;
    } k_replies[] = {
        {"GET", "$6\r\nserved\r\n"}, {"SET", "+OK\r\n"},   {"DEL", ":1\r\n"},
        {"UNLINK", ":1\r\n"},        {"EXISTS", ":1\r\n"}, {"PTTL", ":1000\r\n"},
        {"PEXPIRE", ":1\r\n"},       {"INCRBY", ":1\r\n"},
    };
    for (size_t i = 0; i < KIT_COUNT(k_replies); i++) {
        if (kit_frame_says(frame, 0, k_replies[i].name)) {
            return kit_stub_say(conn, k_replies[i].reply);
        }
    }
    return kit_stub_say(conn, "-ERR unknown command\r\n");
}

/* --- Scripts --------------------------------------------------------------------------------- */

static bool expect(struct kit_stub_conn *conn, const char *name)
{
    const struct kit_frame *frame = kit_stub_next(conn);
    if (frame == NULL) {
        return false;
    }
    if (name != NULL && !kit_frame_says(frame, 0, name)) {
        size_t len = frame->args[0].len;
        char got[24];
        (void)snprintf(got, sizeof(got), "%.*s", len < sizeof(got) ? (int)len : 0,
                       (const char *)frame->args[0].data);
        kit_stub_blame(conn, "unexpected command ", got);
        return false;
    }
    return true;
}

static bool trickle(struct kit_stub_conn *conn, const char *text)
{
    for (; *text != '\0'; text++) {
        if (!kit_stub_send(conn, text, 1)) {
            return false;
        }
        kit_nap(); /* so that the bytes arrive one by one */
    }
    return true;
}

bool kit_stub_run(struct kit_stub_conn *conn, const struct kit_step *steps)
{
    for (const struct kit_step *step = steps;; step++) {
        bool goes_on = false;
        switch (step->kind) {
        case KIT_END:
            kit_stub_drain(conn);
            return true;
        case KIT_EXPECT:
            goes_on = expect(conn, step->text);
            break;
        case KIT_SAY:
            goes_on = kit_stub_say(conn, step->text);
            break;
        case KIT_TRICKLE:
            goes_on = trickle(conn, step->text);
            break;
        case KIT_AWAIT:
            goes_on = kit_stub_await(conn, step->gate);
            break;
        case KIT_SHUT:
            kit_stub_shut(conn);
            return true;
        case KIT_RESET:
            kit_stub_reset(conn);
            return true;
        case KIT_STALL:
            kit_stub_stall(conn);
            return true;
        case KIT_SERVE:
            for (const struct kit_frame *frame = kit_stub_next(conn); frame != NULL;
                 frame = kit_stub_next(conn)) {
                (void)kit_stub_answer(conn, frame);
            }
            return true;
        }
        if (!goes_on) {
            return false;
        }
    }
}
