/* SPDX-License-Identifier: MIT */
/* engine/handshake.c — HELLO with RESP3, or AUTH and INFO with RESP2.
 *
 * HELLO, SELECT and CLIENT SETINFO go out together: one round trip. When the server does not know
 * HELLO, or does not let the user call it, the replies behind it are worth nothing: they are read
 * all the same, and AUTH, SELECT and INFO follow on the same connection. */
#include "engine/handshake.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/number.h"
#include "engine/identity.h"
#include "engine/pipeline.h"
#include "engine/server_error.h"
#include "resp/reply.h"

#include <faciliter/version.h>

#include <string.h>

enum {
    GREETING_BYTES = 1024,          /* every frame of a handshake, but for what is secret */
    GREETING_REPLY_BYTES = 1 << 20, /* no answer to one of them is longer */
};

static struct faci_arg arg(const char *text)
{
    return (struct faci_arg){fac_str(text), {NULL, 0}};
}

static fac_status call(struct faci_conn *conn, const struct faci_command *command,
                       const struct faci_arg *args, size_t n_args, struct faci_answer *answer,
                       int64_t deadline_ns, fac_error *err)
{
    struct faci_request request = {.command = command, .args = args, .n_args = n_args};
    return faci_pipeline_call(conn, &request, deadline_ns, answer, err);
}

/* --- RESP3 ---------------------------------------------------------------------------------- */

struct greeting {
    struct faci_slot *hello;
    struct faci_slot *select; /* NULL: database 0 */
    struct faci_slot *lib_name;
    struct faci_slot *lib_version;
};

static fac_status submit(struct faci_conn *conn, const struct faci_command *command,
                         const struct faci_arg *args, size_t n_args, struct faci_sink *sink,
                         int64_t deadline_ns, struct faci_slot **out, fac_error *err)
{
    struct faci_request request = {.command = command,
                                   .args = args,
                                   .n_args = n_args,
                                   .sink = sink,
                                   .max_reply_bytes = GREETING_REPLY_BYTES};
    return faci_pipeline_submit(conn, &request, deadline_ns, out, err);
}

static size_t hello_args(const struct faci_conn *conn, const char *password,
                         struct faci_arg args[7])
{
    const char *username = conn->config->username;
    size_t n = 0;
    args[n++] = arg("HELLO");
    args[n++] = arg("3");
    if (password != NULL || username != NULL) {
        args[n++] = arg("AUTH");
        args[n++] = arg(username != NULL ? username : "default");
        args[n++] = arg(password != NULL ? password : "");
    }
    args[n++] = arg("SETNAME");
    args[n++] = arg("faciliter");
    return n;
}

static size_t select_args(const struct faci_conn *conn, char *text, struct faci_arg args[2])
{
    args[0] = arg("SELECT");
    args[1].head = fac_mem(text, faci_number_format_u64(conn->config->db, text));
    args[1].tail = fac_mem(NULL, 0);
    return 2;
}

static fac_status submit_greeting(struct faci_conn *conn, const char *password,
                                  struct faci_sink *sink, int64_t deadline_ns,
                                  struct greeting *out, fac_error *err)
{
    struct faci_arg args[7];
    fac_status st = submit(conn, &k_faci_hello, args, hello_args(conn, password, args), sink,
                           deadline_ns, &out->hello, err);
    if (st == FAC_OK && conn->config->db != 0) {
        char text[FACI_I64_TEXT_BYTES];
        st = submit(conn, &k_faci_select, args, select_args(conn, text, args), NULL,
                    deadline_ns, &out->select, err);
    }
    struct faci_arg info[] = {arg("CLIENT"), arg("SETINFO"), arg("LIB-NAME"),
                              arg("libfaciliter")};
    if (st == FAC_OK) {
        st = submit(conn, &k_faci_client, info, FACI_COUNT(info), NULL, deadline_ns,
                    &out->lib_name, err);
    }
    info[2] = arg("LIB-VER");
    info[3] = arg(fac_version());
    if (st == FAC_OK) {
        st = submit(conn, &k_faci_client, info, FACI_COUNT(info), NULL, deadline_ns,
                    &out->lib_version, err);
    }
    return st;
}

/* The server does not know HELLO (Redis before 6, or renamed), not with 3, or not for this user:
 * RESP2 may still do. */
static bool is_hello_refused(const struct faci_answer *hello)
{
    fac_bytes text = {hello->text, hello->text_len};
    return hello->type == FAC_REPLY_ERROR &&
           (faci_server_error_says(text, "unknown command") ||
            faci_server_error_is(text, "NOPROTO") || faci_server_error_is(text, "NOPERM"));
}

/* Wait for all replies before judging the first: whatever it says, the others are on the way. */
static fac_status receive_greeting(struct faci_conn *conn, const struct greeting *greeting,
                                   int64_t deadline_ns, bool *out_refused, fac_error *err)
{
    struct faci_slot *const slots[] = {greeting->hello, greeting->select, greeting->lib_name,
                                       greeting->lib_version};
    fac_status st = FAC_OK;
    *out_refused = false;
    for (size_t i = 0; i < FACI_COUNT(slots); i++) {
        if (slots[i] == NULL) {
            continue;
        }
        fac_status waited = faci_pipeline_wait(conn, slots[i], deadline_ns,
                                               st < 0 ? NULL : err);
        if (waited < 0) {
            /* A server that refuses the connection says why, then closes it. */
            return st < 0 ? st : waited;
        }
        bool is_vital = i < 2; /* CLIENT SETINFO is younger than Redis 7.2 */
        if (i == 0) {
            *out_refused = is_hello_refused(&slots[i]->answer);
        }
        if (is_vital && !*out_refused && st == FAC_OK) {
            st = faci_pipeline_result(slots[i], err);
        }
        faci_pipeline_release(conn, slots[i]);
    }
    return st;
}

static fac_status greet_resp3(struct faci_conn *conn, const char *password, int64_t deadline_ns,
                              bool *out_refused, fac_error *err)
{
    struct faci_reply_sink sink;
    faci_reply_sink_init(&sink, conn->config->alloc);
    struct greeting greeting = {0};
    fac_status st = submit_greeting(conn, password, &sink.sink, deadline_ns, &greeting, err);
    if (st == FAC_OK) {
        st = receive_greeting(conn, &greeting, deadline_ns, out_refused, err);
    }
    if (st == FAC_OK && !*out_refused) {
        fac_reply *hello = faci_reply_sink_take(&sink);
        if (hello == NULL) {
            st = faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
        } else {
            faci_identity_from_hello(hello, &conn->identity);
            fac_reply_free(hello);
        }
    }
    faci_reply_sink_fini(&sink);
    return st;
}

/* --- RESP2 ---------------------------------------------------------------------------------- */

static fac_status authenticate(struct faci_conn *conn, const char *password,
                               int64_t deadline_ns, fac_error *err)
{
    const char *username = conn->config->username;
    if (password == NULL && username == NULL) {
        return FAC_OK;
    }
    struct faci_arg args[3];
    size_t n = 0;
    args[n++] = arg("AUTH");
    if (username != NULL) {
        args[n++] = arg(username);
    }
    args[n++] = arg(password != NULL ? password : "");
    struct faci_answer answer;
    return call(conn, &k_faci_auth, args, n, &answer, deadline_ns, err);
}

/* A server that does not let us ask stays unknown; that is no failure. */
static fac_status ask_info(struct faci_conn *conn, const char *section, int64_t deadline_ns,
                           fac_error *err)
{
    struct faci_reply_sink sink;
    faci_reply_sink_init(&sink, conn->config->alloc);
    const struct faci_arg args[] = {arg("INFO"), arg(section)};
    struct faci_request request = {
        .command = &k_faci_info, .args = args, .n_args = 2, .sink = &sink.sink};
    struct faci_answer answer;
    fac_status st = faci_pipeline_call(conn, &request, deadline_ns, &answer, err);
    if (st == FAC_OK) {
        fac_reply *info = faci_reply_sink_take(&sink);
        if (info != NULL) {
            faci_identity_from_info(fac_reply_bytes(info), &conn->identity);
            fac_reply_free(info);
        }
    }
    faci_reply_sink_fini(&sink);
    return faci_conn_is_poisoned(conn) ? st : FAC_OK;
}

static fac_status greet_resp2(struct faci_conn *conn, const char *password, int64_t deadline_ns,
                              fac_error *err)
{
    fac_status st = authenticate(conn, password, deadline_ns, err);
    if (st == FAC_OK && conn->config->db != 0) {
        char text[FACI_I64_TEXT_BYTES];
        struct faci_arg args[2];
        struct faci_answer answer;
        st = call(conn, &k_faci_select, args, select_args(conn, text, args), &answer,
                  deadline_ns, err);
    }
    if (st == FAC_OK) {
        conn->identity.protocol = 2;
        st = ask_info(conn, "server", deadline_ns, err);
    }
    if (st == FAC_OK) {
        st = ask_info(conn, "replication", deadline_ns, err);
    }
    if (st == FAC_OK) {
        /* Nothing above proved that an unauthenticated user may do anything at all. */
        const struct faci_arg ping = arg("PING");
        struct faci_answer answer = {0};
        st = call(conn, &k_faci_ping, &ping, 1, &answer, deadline_ns, err);
        bool is_noperm = st == FAC_E_AUTH &&
                         faci_server_error_is(fac_mem(answer.text, answer.text_len), "NOPERM");
        if (!faci_conn_is_poisoned(conn) && (st == FAC_E_UNAVAILABLE || is_noperm)) {
            st = FAC_OK; /* LOADING: ready later. NOPERM: a known user, who may not PING */
        }
    }
    return st;
}

/* In words for whoever set the server's address or forgot its password. */
static fac_status explain(fac_status st, const char *password, fac_error *err)
{
    fac_error why = *err;
    if (st == FAC_E_PROTOCOL) {
        (void)faci_fail(err, st, 0, "it does not speak RESP: %s", why.message);
    } else if (st == FAC_E_AUTH && password == NULL && strcmp(why.server_code, "NOAUTH") == 0) {
        (void)faci_fail(err, st, 0, "the server asks for a password, and none is set (NOAUTH)");
        memcpy(err->server_code, why.server_code, sizeof(err->server_code));
    }
    return st;
}

fac_status faci_handshake(struct faci_conn *conn, const char *password, int64_t deadline_ns,
                          fac_error *err)
{
    /* Room for all of it at once: a buffer that grows would leave a copy of the password behind. */
    size_t secret_bytes = (password != NULL ? strlen(password) : 0) +
                          (conn->config->username != NULL ? strlen(conn->config->username) : 0);
    if (!faci_buf_reserve(&conn->tx, secret_bytes + GREETING_BYTES)) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    bool is_refused = false;
    fac_status st = greet_resp3(conn, password, deadline_ns, &is_refused, err);
    if (st == FAC_OK && is_refused) {
        st = greet_resp2(conn, password, deadline_ns, err);
    }
    if (conn->tx.data != NULL) {
        explicit_bzero(conn->tx.data, conn->tx.cap); /* the password was in it */
    }
    explicit_bzero(conn->rx, conn->rx_cap); /* and a server may have sent it back */
    for (size_t i = 0; i < FACI_SLOT_GROUP_SLOTS; i++) { /* it takes fewer than a group has */
        struct faci_answer *answer = &conn->line.tail.group->slots[i].answer;
        explicit_bzero(answer->text, sizeof(answer->text));
    }
    if (st == FAC_OK && faci_conn_is_poisoned(conn)) {
        st = faci_conn_fail(conn, err);
    }
    return st < 0 ? explain(st, password, err) : FAC_OK;
}
