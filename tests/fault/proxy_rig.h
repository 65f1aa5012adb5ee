/* SPDX-License-Identifier: MIT */
/* fault/proxy_rig.h — both ends of a connection through the proxy, held by the test itself. */
#ifndef FAC_FAULT_PROXY_RIG_H
#define FAC_FAULT_PROXY_RIG_H

#include "kit/kit.h"
#include "kit/proxy.h"
#include "kit/wait.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    RIG_PATIENCE_S = 20
};

struct rig {
    int listener;
    struct kit_proxy_options options;
    struct kit_proxy *proxy;
    int client;
    int server;
};

static inline int rig_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct timeval patience = {RIG_PATIENCE_S, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return fd;
}

/* Connect to the proxy; -1 when it refuses. */
static inline int rig_dial(const struct rig *rig)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(kit_proxy_port(rig->proxy)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = rig_socket();
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* A pair of ends: what the client connected, and what reached the server. */
static inline void rig_pair(const struct rig *rig, int *out_client, int *out_server)
{
    *out_client = rig_dial(rig);
    assert_true(*out_client >= 0);
    *out_server = accept4(rig->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(*out_server >= 0);
    struct timeval patience = {RIG_PATIENCE_S, 0};
    (void)setsockopt(*out_server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

/* `options` but for its server, which is the test itself. */
static inline void rig_start(struct rig *rig, const struct kit_proxy_options *options)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    rig->listener = rig_socket();
    assert_return_code(bind(rig->listener, (const struct sockaddr *)&address, len), errno);
    assert_return_code(listen(rig->listener, 128), errno);
    assert_return_code(getsockname(rig->listener, (struct sockaddr *)&address, &len), errno);
    rig->options = *options;
    rig->options.to_port = ntohs(address.sin_port);
    rig->options.seed = kit_seed();
    rig->proxy = kit_proxy_start(&rig->options);
    rig_pair(rig, &rig->client, &rig->server);
}

static inline void rig_end(struct rig *rig)
{
    (void)close(rig->client);
    (void)close(rig->server);
    (void)close(rig->listener);
    kit_proxy_stop(rig->proxy);
}

/* The end a direction begins at, and the one it reaches. */
static inline int rig_from(const struct rig *rig, enum kit_direction direction)
{
    return direction == KIT_UP ? rig->client : rig->server;
}

static inline int rig_to(const struct rig *rig, enum kit_direction direction)
{
    return direction == KIT_UP ? rig->server : rig->client;
}

static inline void rig_say(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        at += sent;
        len -= (size_t)sent;
    }
}

/* Read up to `len` bytes; how many there were before the end. *out_errno is 0 at an orderly one. */
static inline size_t rig_hear(int fd, void *bytes, size_t len, int *out_errno)
{
    size_t got = 0;
    *out_errno = 0;
    while (got < len) {
        ssize_t n = recv(fd, (char *)bytes + got, len - got, 0);
        if (n <= 0) {
            *out_errno = n < 0 ? errno : 0;
            break;
        }
        got += (size_t)n;
    }
    return got;
}

/* What comes is `text`, and nothing else for now. */
static inline void rig_expect(int fd, const void *text, size_t len)
{
    char *got = test_malloc(len + 1);
    int err = 0;
    assert_int_equal(rig_hear(fd, got, len, &err), len);
    assert_memory_equal(got, text, len);
    test_free(got);
    struct pollfd more = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&more, 1, 0), 0);
}

/* The end comes, without a byte before it. */
static inline void rig_expect_end(int fd, bool is_reset)
{
    char byte = 0;
    int err = 0;
    assert_int_equal(rig_hear(fd, &byte, 1, &err), 0);
    assert_int_equal(err, is_reset ? ECONNRESET : 0);
}

#endif
