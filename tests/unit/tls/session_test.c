/* SPDX-License-Identifier: MIT */
/* A session whose socket fails, as it looks with each OpenSSL: 3.0 leaves no word of it in its error
 * queue, later ones leave the system's error there. */
#include "tls/session.h"

#include "kit/kit.h"
#include "kit/memory.h"

#include <errno.h>
#include <string.h>

struct fixture {
    struct kit_memory memory;
    struct faci_tls_context *context;
    struct faci_tls_session *session;
    int os_errno;     /* that sending fails with; 0: it does not */
    bool is_in_queue; /* that is how OpenSSL tells it */
};

static ssize_t send_bytes(void *context, const void *bytes, size_t len)
{
    const struct fixture *fx = context;
    (void)bytes;
    if (fx->os_errno == 0) {
        return (ssize_t)len;
    }
    if (fx->is_in_queue) {
        ERR_raise_data(ERR_LIB_SYS, fx->os_errno, "sending");
    }
    errno = fx->is_in_queue ? 0 : fx->os_errno;
    return -1;
}

static void fixture_init(struct fixture *fx, int os_errno, bool is_in_queue)
{
    *fx = (struct fixture){.os_errno = os_errno, .is_in_queue = is_in_queue};
    kit_memory_init(&fx->memory);
    const struct faci_tls_options options = {
        .alloc = &fx->memory.hook, .name = "cache.example.com", .min_version = 12};
    fac_error err;
    assert_status(k_faci_tls_openssl.context_new(&options, &fx->context, &err), FAC_OK, &err);
    assert_status(
        k_faci_tls_openssl.session_new(fx->context, send_bytes, fx, &fx->session, &err), FAC_OK,
        &err);
}

static void fixture_fini(struct fixture *fx)
{
    assert_int_equal(ERR_peek_error(), 0); /* nothing is left to the thread */
    k_faci_tls_openssl.session_free(fx->session);
    k_faci_tls_openssl.context_unref(fx->context);
    kit_memory_assert_empty(&fx->memory);
}

static void test_session__a_lost_connection_is_no_fault_of_the_handshake(void **state)
{
    (void)state;
    for (int is_in_queue = 0; is_in_queue <= 1; is_in_queue++) {
        struct fixture fx;
        fixture_init(&fx, EPIPE, is_in_queue == 1);
        fac_error err = {0};
        assert_int_equal(k_faci_tls_openssl.handshake(fx.session, &err), FACI_TLS_FAILED);
        assert_status(err.status, FAC_E_UNAVAILABLE, &err);
        assert_int_equal(err.os_errno, EPIPE);
        fixture_fini(&fx);
    }
}

/* What the server has said before it hung up is still to be read: an alert, most of all. */
static void test_session__a_write_that_fails_leaves_reading_open(void **state)
{
    (void)state;
    for (int is_in_queue = 0; is_in_queue <= 1; is_in_queue++) {
        struct fixture fx;
        fixture_init(&fx, ECONNRESET, is_in_queue == 1);
        errno = 0;
        assert_int_equal(k_faci_tls_openssl.write(fx.session, "x", 1), -1);
        assert_int_equal(errno, ECONNRESET);
        fac_error err = {0};
        assert_status(k_faci_tls_openssl.why(fx.session, &err), FAC_OK, &err);
        fixture_fini(&fx);
    }
}

/* For comparison: bytes went out, and what came is no TLS. */
static void test_session__plain_text_is_a_fault_of_the_protocol(void **state)
{
    (void)state;
    static const char k_plain[] = "-ERR unknown command\r\n";
    struct fixture fx;
    fixture_init(&fx, 0, false);
    fac_error err = {0};
    assert_int_equal(k_faci_tls_openssl.handshake(fx.session, &err), FACI_TLS_WANTS_READ);
    void *room = NULL;
    assert_true(k_faci_tls_openssl.room(fx.session, &room) > sizeof(k_plain));
    memcpy(room, k_plain, sizeof(k_plain) - 1);
    k_faci_tls_openssl.arrived(fx.session, sizeof(k_plain) - 1);
    assert_int_equal(k_faci_tls_openssl.handshake(fx.session, &err), FACI_TLS_FAILED);
    assert_status(err.status, FAC_E_PROTOCOL, &err);
    fixture_fini(&fx);
}

static const struct CMUnitTest k_tests[] = {
    KIT_TEST(test_session__a_lost_connection_is_no_fault_of_the_handshake),
    KIT_TEST(test_session__a_write_that_fails_leaves_reading_open),
    KIT_TEST(test_session__plain_text_is_a_fault_of_the_protocol),
};

KIT_MAIN(k_tests)
