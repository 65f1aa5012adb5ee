/* SPDX-License-Identifier: MIT */
/* engine/identity.c — reading HELLO and INFO. What a server sends is cut to fit and cleaned. */
#include "engine/identity.h"

#include "base/bytes.h"

#include <string.h>

static void keep(char *to, size_t cap, fac_bytes text)
{
    size_t len = text.len < cap ? text.len : cap - 1;
    for (size_t i = 0; i < len; i++) {
        char c = ((const char *)text.data)[i];
        to[i] = c > ' ' && c < 0x7f ? c : '?';
    }
    to[len] = '\0';
}

static void keep_role(struct faci_identity *out, fac_bytes text)
{
    bool is_replica = faci_bytes_equal(text, fac_str("slave"));
    keep(out->role, sizeof(out->role), is_replica ? fac_str("replica") : text);
}

void faci_identity_from_hello(const fac_reply *hello, struct faci_identity *out)
{
    size_t n = fac_reply_count(hello);
    for (size_t i = 0; i + 1 < n; i += 2) {
        fac_bytes name = fac_reply_bytes(fac_reply_child(hello, i));
        const fac_reply *value = fac_reply_child(hello, i + 1);
        if (faci_bytes_equal(name, fac_str("server"))) {
            keep(out->server, sizeof(out->server), fac_reply_bytes(value));
        } else if (faci_bytes_equal(name, fac_str("version"))) {
            keep(out->version, sizeof(out->version), fac_reply_bytes(value));
        } else if (faci_bytes_equal(name, fac_str("role"))) {
            keep_role(out, fac_reply_bytes(value));
        } else if (faci_bytes_equal(name, fac_str("proto"))) {
            out->protocol = fac_reply_integer(value) == 3 ? 3 : 2;
        }
    }
}

static void take_line(fac_bytes line, struct faci_identity *out)
{
    const char *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
    if (colon == NULL) {
        return;
    }
    fac_bytes name = {line.data, (size_t)(colon - (const char *)line.data)};
    fac_bytes value = {colon + 1, line.len - name.len - 1};
    if (faci_bytes_equal(name, fac_str("redis_version"))) {
        if (out->server[0] == '\0') { /* Valkey sends this too, for old clients */
            keep(out->server, sizeof(out->server), fac_str("redis"));
            keep(out->version, sizeof(out->version), value);
        }
    } else if (faci_bytes_equal(name, fac_str("valkey_version"))) {
        keep(out->server, sizeof(out->server), fac_str("valkey"));
        keep(out->version, sizeof(out->version), value);
    } else if (faci_bytes_equal(name, fac_str("role"))) {
        keep_role(out, value);
    }
}

void faci_identity_from_info(fac_bytes info, struct faci_identity *out)
{
    const char *at = info.data;
    const char *end = at + info.len;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const char *next = stop != NULL ? stop + 1 : end;
        size_t len = (size_t)((stop != NULL ? stop : end) - at);
        if (len > 0 && at[len - 1] == '\r') {
            len--;
        }
        take_line(fac_mem(at, len), out);
        at = next;
    }
}
