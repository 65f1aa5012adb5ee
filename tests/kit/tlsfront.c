/* SPDX-License-Identifier: MIT */
/* kit/tlsfront.c — one thread that accepts, and one for each connection. */
#include "kit/tlsfront.h"

#include "kit/certs.h"
#include "kit/kit.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 256,
    CHUNK_BYTES = 16384,
    TICK_MS = 20, /* how soon a stop is seen */
};

struct kit_tlsfront {
    struct kit_tlsfront_options options;
    SSL_CTX *ctx;
    int listener;
    uint16_t port;
    pthread_t acceptor;
    pthread_mutex_t lock; /* of what follows */
    bool is_stopping;
    struct kit_tlsfront_counts counts;
    char asked[256];
    pthread_t threads[CONNECTIONS_MAX];
    size_t n_threads;
};

struct visit {
    struct kit_tlsfront *front;
    int fd;
};

static bool is_stopping(struct kit_tlsfront *front)
{
    (void)pthread_mutex_lock(&front->lock);
    bool is = front->is_stopping;
    (void)pthread_mutex_unlock(&front->lock);
    return is;
}

static void count(struct kit_tlsfront *front, size_t *counter, size_t n)
{
    (void)pthread_mutex_lock(&front->lock);
    *counter += n;
    (void)pthread_mutex_unlock(&front->lock);
}

/* True: it can be read (or has ended). */
static bool wait_readable(struct kit_tlsfront *front, int fd)
{
    while (!is_stopping(front)) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, TICK_MS) > 0) {
            return true;
        }
    }
    return false;
}

static int connect_behind(const struct kit_tlsfront_options *options)
{
    bool is_unix = options->to_unix != NULL;
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(options->to_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (is_unix) {
        (void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", options->to_unix);
    }
    int rc = is_unix ? connect(fd, (const struct sockaddr *)&un, sizeof(un))
                     : connect(fd, (const struct sockaddr *)&in, sizeof(in));
    if (rc != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* --- What is held back ------------------------------------------------------------------------ */

/* Between OpenSSL and the socket: counts what is sent, and stops. */
static int stalling_write(BIO *bio, const char *bytes, int len)
{
    size_t *left = BIO_get_data(bio);
    BIO *next = BIO_next(bio);
    size_t n = (size_t)len < *left ? (size_t)len : *left;
    *left -= n;
    if (n > 0) {
        (void)BIO_write(next, bytes, (int)n);
    }
    return len; /* the rest is as good as on its way, for ever */
}

static int stalling_read(BIO *bio, char *buf, int cap)
{
    BIO *next = BIO_next(bio);
    int n = BIO_read(next, buf, cap);
    BIO_clear_retry_flags(bio);
    BIO_copy_next_retry(bio);
    return n;
}

static long stalling_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return BIO_ctrl(BIO_next(bio), command, number, pointer);
}

static BIO_METHOD *stalling_method;

static void make_stalling_method(void)
{
    stalling_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_FILTER, "stall");
    (void)BIO_meth_set_write(stalling_method, stalling_write);
    (void)BIO_meth_set_read(stalling_method, stalling_read);
    (void)BIO_meth_set_ctrl(stalling_method, stalling_ctrl);
}

/* Visits have a thread each, and the first two may come at once. */
static BIO *stalling_bio(int fd, size_t *left)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, make_stalling_method);
    BIO *filter = BIO_new(stalling_method);
    BIO_set_data(filter, left);
    BIO_set_init(filter, 1);
    return BIO_push(filter, BIO_new_socket(fd, BIO_NOCLOSE));
}

/* --- A connection ----------------------------------------------------------------------------- */

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static void pump(struct kit_tlsfront *front, SSL *ssl, int fd, int behind)
{
    char chunk[CHUNK_BYTES];
    while (!is_stopping(front)) {
        struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = behind, .events = POLLIN}};
        if (SSL_pending(ssl) == 0 && poll(fds, 2, TICK_MS) <= 0) {
            continue;
        }
        if (SSL_pending(ssl) > 0 || fds[0].revents != 0) {
            int n = SSL_read(ssl, chunk, sizeof(chunk));
            if (n <= 0 && SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ) {
                return;
            }
            count(front, &front->counts.n_bytes, n > 0 ? (size_t)n : 0);
            if (n > 0 && !write_all(behind, chunk, (size_t)n)) {
                return;
            }
        }
        if (fds[1].revents != 0) {
            ssize_t n = recv(behind, chunk, sizeof(chunk), 0);
            if (n <= 0 || SSL_write(ssl, chunk, (int)n) <= 0) {
                return;
            }
        }
    }
}

static void serve(struct kit_tlsfront *front, SSL *ssl, int fd)
{
    (void)SSL_set_mode(ssl, SSL_MODE_AUTO_RETRY);
    while (!is_stopping(front)) {
        if (!wait_readable(front, fd)) {
            return;
        }
        int rc = SSL_accept(ssl);
        if (rc == 1) {
            break;
        }
        if (SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ) {
            ERR_clear_error();
            return;
        }
    }
    count(front, &front->counts.n_handshakes, 1);
    count(front, &front->counts.n_resumed, SSL_session_reused(ssl) == 1 ? 1 : 0);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)pthread_mutex_lock(&front->lock);
    (void)snprintf(front->asked, sizeof(front->asked), "%s", name != NULL ? name : "");
    (void)pthread_mutex_unlock(&front->lock);
    int behind = connect_behind(&front->options);
    if (behind >= 0) {
        pump(front, ssl, fd, behind);
        (void)close(behind);
    }
}

static void *run_visit(void *context)
{
    struct visit visit = *(struct visit *)context;
    free(context);
    struct kit_tlsfront *front = visit.front;
    size_t left = front->options.stall_after_bytes;
    if (front->options.is_silent) {
        char chunk[CHUNK_BYTES];
        while (wait_readable(front, visit.fd) && recv(visit.fd, chunk, sizeof(chunk), 0) > 0) {
        }
    } else {
        SSL *ssl = SSL_new(front->ctx);
        if (left > 0) {
            BIO *bio = stalling_bio(visit.fd, &left);
            SSL_set_bio(ssl, bio, bio);
        } else {
            (void)SSL_set_fd(ssl, visit.fd);
        }
        serve(front, ssl, visit.fd);
        (void)SSL_shutdown(ssl);
        SSL_free(ssl);
        ERR_clear_error();
    }
    (void)close(visit.fd);
    return NULL;
}

static void *run_acceptor(void *context)
{
    struct kit_tlsfront *front = context;
    /* OpenSSL writes without MSG_NOSIGNAL, and a client may have left. The visits inherit it. */
    sigset_t pipe;
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    while (wait_readable(front, front->listener)) {
        int fd = accept4(front->listener, NULL, NULL, SOCK_CLOEXEC);
        struct visit *visit = malloc(sizeof(*visit));
        if (fd < 0 || visit == NULL || front->n_threads == CONNECTIONS_MAX) {
            free(visit);
            continue;
        }
        *visit = (struct visit){front, fd};
        count(front, &front->counts.n_accepted, 1);
        if (pthread_create(&front->threads[front->n_threads], NULL, run_visit, visit) == 0) {
            front->n_threads++;
        } else {
            free(visit);
            (void)close(fd);
        }
    }
    return NULL;
}

/* --- Life ------------------------------------------------------------------------------------- */

static void listen_somewhere(struct kit_tlsfront *front)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    front->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(front->listener, (const struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(front->listener, 128), 0);
    assert_int_equal(getsockname(front->listener, (struct sockaddr *)&in, &len), 0);
    front->port = ntohs(in.sin_port);
}

struct kit_tlsfront *kit_tlsfront_start(const struct kit_tlsfront_options *options)
{
    struct kit_tlsfront *front = calloc(1, sizeof(*front));
    assert_non_null(front);
    front->options = *options;
    (void)pthread_mutex_init(&front->lock, NULL);
    front->ctx = SSL_CTX_new(TLS_server_method());
    assert_non_null(front->ctx);
    SSL_CTX_set_security_level(front->ctx, 0);
    assert_int_equal(SSL_CTX_set_cipher_list(front->ctx, "ALL:@SECLEVEL=0"), 1);
    (void)SSL_CTX_set_min_proto_version(front->ctx, options->min_version);
    (void)SSL_CTX_set_max_proto_version(front->ctx, options->max_version);
    struct kit_cert cert = kit_cert(options->cert);
    struct kit_cert key = kit_cert(options->key != NULL ? options->key : "server.key");
    assert_int_equal(SSL_CTX_use_certificate_chain_file(front->ctx, cert.path), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(front->ctx, key.path, SSL_FILETYPE_PEM), 1);
    if (options->has_no_tickets) {
        (void)SSL_CTX_set_options(front->ctx, SSL_OP_NO_TICKET);
        (void)SSL_CTX_set_num_tickets(front->ctx, 0);
        (void)SSL_CTX_set_session_cache_mode(front->ctx, SSL_SESS_CACHE_OFF);
    }
    static const unsigned char k_context[] = "front";
    (void)SSL_CTX_set_session_id_context(front->ctx, k_context, sizeof(k_context));
    if (options->client_ca != NULL) {
        struct kit_cert ca = kit_cert(options->client_ca);
        assert_int_equal(SSL_CTX_load_verify_locations(front->ctx, ca.path, NULL), 1);
        SSL_CTX_set_verify(front->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    listen_somewhere(front);
    assert_int_equal(pthread_create(&front->acceptor, NULL, run_acceptor, front), 0);
    return front;
}

void kit_tlsfront_stop(struct kit_tlsfront *front)
{
    if (front == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&front->lock);
    front->is_stopping = true;
    (void)pthread_mutex_unlock(&front->lock);
    (void)pthread_join(front->acceptor, NULL);
    for (size_t i = 0; i < front->n_threads; i++) {
        (void)pthread_join(front->threads[i], NULL);
    }
    (void)close(front->listener);
    SSL_CTX_free(front->ctx);
    (void)pthread_mutex_destroy(&front->lock);
    free(front);
}

uint16_t kit_tlsfront_port(const struct kit_tlsfront *front)
{
    return front->port;
}

struct kit_tlsfront_counts kit_tlsfront_counts(struct kit_tlsfront *front)
{
    (void)pthread_mutex_lock(&front->lock);
    struct kit_tlsfront_counts counts = front->counts;
    (void)pthread_mutex_unlock(&front->lock);
    return counts;
}

void kit_tlsfront_asked(struct kit_tlsfront *front, char *out, size_t cap)
{
    (void)pthread_mutex_lock(&front->lock);
    (void)snprintf(out, cap, "%s", front->asked);
    (void)pthread_mutex_unlock(&front->lock);
}
