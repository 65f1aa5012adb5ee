/* SPDX-License-Identifier: MIT */
/* kit/raw.c — the smallest RESP2 client that can look at everything. */
#include "kit/raw.h"

#include "kit/kit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PATIENCE_S = 10,
    ARGS_MAX = 16,
    LINE_MAX_BYTES = 1024
};

struct kit_raw {
    int fd;
    unsigned char in[65536];
    size_t in_at;
    size_t in_len;
    char *text; /* the last reply */
    size_t text_len;
    size_t text_cap;
};

static struct kit_raw *dial(int family, const struct sockaddr *address, socklen_t address_len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return NULL;
    }
    struct timeval patience = {PATIENCE_S, 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, address, address_len) != 0) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return NULL;
    }
    struct kit_raw *raw = calloc(1, sizeof(*raw));
    if (raw == NULL) {
        abort();
    }
    raw->fd = fd;
    return raw;
}

struct kit_raw *kit_raw_tcp(const char *host, uint16_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        return dial(AF_INET, (const struct sockaddr *)&v4, sizeof(v4));
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        return dial(AF_INET6, (const struct sockaddr *)&v6, sizeof(v6));
    }
    errno = EINVAL;
    return NULL;
}

struct kit_raw *kit_raw_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    return dial(AF_UNIX, (const struct sockaddr *)&address, sizeof(address));
}

void kit_raw_close(struct kit_raw *raw)
{
    if (raw != NULL) {
        (void)close(raw->fd);
        free(raw->text);
        free(raw);
    }
}

bool kit_raw_send(struct kit_raw *raw, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(raw->fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool fill(struct kit_raw *raw)
{
    ssize_t got = 0;
    do {
        got = recv(raw->fd, raw->in, sizeof(raw->in), 0);
    } while (got < 0 && errno == EINTR);
    raw->in_at = 0;
    raw->in_len = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static void add_text(struct kit_raw *raw, const void *bytes, size_t len)
{
    if (raw->text_cap - raw->text_len <= len) {
        size_t cap = raw->text_cap * 2 + len + 64;
        char *text = realloc(raw->text, cap);
        if (text == NULL) {
            abort();
        }
        raw->text = text;
        raw->text_cap = cap;
    }
    if (len > 0) {
        memcpy(raw->text + raw->text_len, bytes, len);
    }
    raw->text_len += len;
    raw->text[raw->text_len] = '\0';
}

static bool read_line(struct kit_raw *raw, char *line)
{
    size_t len = 0;
    for (;;) {
        if (raw->in_at == raw->in_len && !fill(raw)) {
            return false;
        }
        char c = (char)raw->in[raw->in_at++];
        if (c == '\n') {
            break;
        }
        if (len == LINE_MAX_BYTES - 1) {
            return false;
        }
        line[len++] = c;
    }
    if (len == 0 || line[len - 1] != '\r') {
        return false;
    }
    line[len - 1] = '\0';
    return true;
}

static bool read_blob(struct kit_raw *raw, size_t bytes)
{
    size_t left = bytes + 2; /* with its CRLF, which does not go into the text */
    while (left > 0) {
        if (raw->in_at == raw->in_len && !fill(raw)) {
            return false;
        }
        size_t here = raw->in_len - raw->in_at;
        size_t take = here < left ? here : left;
        size_t keep = left > 2 ? (take < left - 2 ? take : left - 2) : 0;
        add_text(raw, raw->in + raw->in_at, keep);
        raw->in_at += take;
        left -= take;
    }
    return true;
}

static bool read_value(struct kit_raw *raw)
{
    char line[LINE_MAX_BYTES];
    if (!read_line(raw, line)) {
        return false;
    }
    long long number = strtoll(line + 1, NULL, 10);
    switch (line[0]) {
    case '+':
    case ':':
        add_text(raw, line + 1, strlen(line + 1));
        return true;
    case '-':
        add_text(raw, line, strlen(line));
        return true;
    case '$':
        if (number < 0) {
            add_text(raw, "(nil)", 5);
            return true;
        }
        return read_blob(raw, (size_t)number);
    case '*':
        for (long long i = 0; i < number; i++) {
            if (!read_value(raw)) {
                return false;
            }
            add_text(raw, "\n", 1);
        }
        return true;
    default:
        return false;
    }
}

const char *kit_raw_reply(struct kit_raw *raw, size_t *out_len)
{
    raw->text_len = 0;
    add_text(raw, "", 0);
    if (!read_value(raw)) {
        return NULL;
    }
    if (out_len != NULL) {
        *out_len = raw->text_len;
    }
    return raw->text;
}

const char *kit_raw_ask_bytes(struct kit_raw *raw, const fac_bytes *args, size_t n_args,
                              size_t *out_len)
{
    char header[32];
    int header_len = snprintf(header, sizeof(header), "*%zu\r\n", n_args);
    bool is_sent = kit_raw_send(raw, header, (size_t)header_len);
    for (size_t i = 0; i < n_args && is_sent; i++) {
        header_len = snprintf(header, sizeof(header), "$%zu\r\n", args[i].len);
        is_sent = kit_raw_send(raw, header, (size_t)header_len) &&
                  kit_raw_send(raw, args[i].data, args[i].len) && kit_raw_send(raw, "\r\n", 2);
    }
    const char *text = is_sent ? kit_raw_reply(raw, out_len) : NULL;
    if (text == NULL) {
        fail_msg("the server did not answer %.*s", (int)args[0].len,
                 (const char *)args[0].data);
    }
    return text;
}

const char *kit_raw_ask(struct kit_raw *raw, const char *name, ...)
{
    fac_bytes args[ARGS_MAX] = {fac_str(name)};
    size_t n_args = 1;
    va_list list;
    va_start(list, name);
    for (;;) {
        const char *text = va_arg(list, const char *);
        if (text == NULL) {
            break;
        }
        if (n_args == ARGS_MAX) {
            abort();
        }
        args[n_args++] = fac_str(text);
    }
    va_end(list);
    return kit_raw_ask_bytes(raw, args, n_args, NULL);
}

int64_t kit_raw_ask_number(struct kit_raw *raw, const char *name, const char *argument)
{
    const char *text = kit_raw_ask(raw, name, argument, NULL);
    char *end = NULL;
    long long number = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        fail_msg("%s: \"%s\" is no number", name, text);
    }
    return number;
}

size_t kit_raw_count_clients(struct kit_raw *raw)
{
    const char *text = kit_raw_ask(raw, "CLIENT", "LIST", NULL);
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n' ? 1 : 0;
    }
    return count;
}
