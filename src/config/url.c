/* SPDX-License-Identifier: MIT */
/* config/url.c — a strict reader of server URLs. What it does not know it refuses: an option that
 * is quietly dropped, TLS above all, is worse than an error. */
#include "config/url.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/number.h"
#include "config/settings.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

const char k_faci_url_schemes[] =
    "redis://, rediss://, valkey://, valkeys://, https://, unix:// or memory://";

/* http:// is for loopback only, and stands in no list of what is allowed. */
static const struct {
    const char *name;
    enum faci_url_scheme scheme;
    bool is_tls;
} k_schemes[] = {
    {"redis", FACI_URL_REDIS, false},   {"rediss", FACI_URL_REDIS, true},
    {"valkey", FACI_URL_VALKEY, false}, {"valkeys", FACI_URL_VALKEY, true},
    {"http", FACI_URL_HTTP, false},     {"https", FACI_URL_HTTP, true},
    {"unix", FACI_URL_UNIX, false},     {"memory", FACI_URL_MEMORY, false},
};

/* What is left to read. */
struct cursor {
    const char *at;
    const char *end;
};

static size_t left(const struct cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* The bytes up to one of `stops`, which is not taken. */
static fac_bytes take_until(struct cursor *cursor, const char *stops)
{
    const char *begin = cursor->at;
    while (cursor->at < cursor->end && strchr(stops, *cursor->at) == NULL) {
        cursor->at++;
    }
    return fac_mem(begin, (size_t)(cursor->at - begin));
}

static bool take_char(struct cursor *cursor, char c)
{
    if (cursor->at < cursor->end && *cursor->at == c) {
        cursor->at++;
        return true;
    }
    return false;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The decoded byte at `at`, and how many encoded ones it takes. 0: a bad escape or %00. */
static size_t decode_one(const char *at, size_t len, char *out)
{
    if (*at != '%') {
        *out = *at;
        return 1;
    }
    if (len < 3 || hex_value(at[1]) < 0 || hex_value(at[2]) < 0) {
        return 0;
    }
    *out = (char)(hex_value(at[1]) * 16 + hex_value(at[2]));
    return *out == '\0' ? 0 : 3;
}

/* The length that a part has when decoded; SIZE_MAX when it cannot be. */
static size_t decoded_len(fac_bytes part)
{
    const char *at = part.data;
    size_t n = 0;
    for (size_t i = 0; i < part.len; n++) {
        char byte = 0;
        size_t step = decode_one(at + i, part.len - i, &byte);
        if (step == 0) {
            return SIZE_MAX;
        }
        i += step;
    }
    return n;
}

char *faci_url_decode(const fac_allocator *alloc, fac_bytes part)
{
    size_t len = decoded_len(part);
    faci_assert(len != SIZE_MAX);
    char *text = faci_mem_alloc(alloc, len + 1);
    if (text == NULL) {
        return NULL;
    }
    const char *at = part.data;
    size_t i = 0;
    for (size_t n = 0; n < len; n++) {
        i += decode_one(at + i, part.len - i, &text[n]);
    }
    text[len] = '\0';
    return text;
}

struct faci_secret *faci_url_decode_secret(fac_bytes part)
{
    size_t len = decoded_len(part);
    faci_assert(len != SIZE_MAX);
    struct faci_secret *secret = faci_secret_new_empty(len);
    const char *at = part.data;
    size_t i = 0;
    for (size_t n = 0; secret != NULL && n < len; n++) {
        i += decode_one(at + i, part.len - i, &faci_secret_room(secret)[n]);
    }
    if (secret != NULL) {
        faci_secret_set_len(secret, len);
    }
    return secret;
}

static bool is_ipv6(fac_bytes host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (host.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

bool faci_host_is_valid(fac_bytes host)
{
    const char *at = host.data;
    if (host.len == 0 || host.len > (size_t)k_faci_settings[FACI_SETTING_HOST].max) {
        return false;
    }
    if (memchr(at, ':', host.len) != NULL) {
        const char *zone = memchr(at, '%', host.len);
        size_t len = zone == NULL ? host.len : (size_t)(zone - at);
        return (zone == NULL || len + 1 < host.len) && is_ipv6(fac_mem(at, len));
    }
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)at[i];
        if (c <= ' ' || c >= 0x7f || strchr("/@?#[]%\\", c) != NULL) {
            return false;
        }
    }
    return true;
}

/* The one message form: the reason, never the URL. */
static fac_status refuse(const char *where, const char *reason, fac_error *err)
{
    return faci_fail(err, FAC_E_CONFIG, 0, "%s: %s", where, reason);
}

static fac_status read_scheme(struct cursor *cursor, const char *where, struct faci_url *url,
                              fac_error *err)
{
    const char *begin = cursor->at;
    size_t len = strspn(begin,
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+.-0123456789");
    if (len == 0 || strncmp(begin + len, "://", 3) != 0) {
        return faci_fail(err, FAC_E_CONFIG, 0, "%s: the URL has no scheme; it must be %s",
                         where, k_faci_url_schemes);
    }
    for (size_t i = 0; i < FACI_COUNT(k_schemes); i++) {
        const char *name = k_schemes[i].name;
        if (strlen(name) != len || strncasecmp(begin, name, len) != 0) {
            continue;
        }
        url->scheme = k_schemes[i].scheme;
        url->is_tls = k_schemes[i].is_tls;
        cursor->at += len + 3;
        return FAC_OK;
    }
    return faci_fail(err, FAC_E_CONFIG, 0,
                     "%s: the URL's scheme \"%.*s\" is unknown; it must be %s", where,
                     (int)(len < 16 ? len : 16), begin, k_faci_url_schemes);
}

static fac_status check_userinfo(const struct faci_url *url, const char *where, fac_error *err)
{
    size_t user_len = decoded_len(url->username);
    size_t password_len = decoded_len(url->password);
    if (user_len == SIZE_MAX || password_len == SIZE_MAX) {
        return refuse(where, "the URL's user or password has a bad percent-encoding", err);
    }
    if (user_len > (size_t)k_faci_settings[FACI_SETTING_USERNAME].max ||
        password_len > (size_t)k_faci_settings[FACI_SETTING_PASSWORD].max) {
        return refuse(where, "the URL's user or password is too long", err);
    }
    return FAC_OK;
}

/* "user:password@" or ":password@" in front of the rest, if there is an '@' at all. A lone word
 * before the '@' is refused: some programs read it as the user, others as the password. */
static fac_status read_userinfo(struct cursor *cursor, const char *where, struct faci_url *url,
                                fac_error *err)
{
    struct cursor ahead = *cursor;
    fac_bytes authority = take_until(&ahead, "/?#");
    const char *at_sign = authority.len > 0 ? memchr(authority.data, '@', authority.len) : NULL;
    if (at_sign == NULL) {
        if (memchr(cursor->at, '@', left(cursor)) != NULL) {
            return refuse(where,
                          "the URL has an '@' behind its host; '/', '?', '#' and '@' in a "
                          "password are percent-encoded",
                          err);
        }
        return FAC_OK;
    }
    struct cursor info = {cursor->at, at_sign};
    fac_bytes user = take_until(&info, ":");
    if (!take_char(&info, ':')) {
        return refuse(where, "the URL's userinfo must be user:password or :password", err);
    }
    url->username = user.len > 0 ? user : fac_mem(NULL, 0);
    url->password = fac_mem(info.at, left(&info));
    cursor->at = at_sign + 1;
    if (memchr(cursor->at, '@', left(cursor)) != NULL) {
        return refuse(where, "the URL has two '@'; one in a user or password is written %40",
                      err);
    }
    return check_userinfo(url, where, err);
}

static bool parse_number(fac_bytes text, const struct faci_setting_row *row, int32_t *out)
{
    int64_t number = 0;
    if (!faci_number_parse_i64(text, &number) || number < row->min || number > row->max) {
        return false;
    }
    *out = (int32_t)number;
    return true;
}

static fac_status read_host(struct cursor *cursor, const char *where, struct faci_url *url,
                            fac_error *err)
{
    if (take_char(cursor, '[')) {
        url->host = take_until(cursor, "]/?#");
        if (!take_char(cursor, ']') || !is_ipv6(url->host)) {
            return refuse(where, "the URL's host in brackets is no IPv6 address", err);
        }
    } else {
        url->host = take_until(cursor, ":/?#");
        if (!faci_host_is_valid(url->host)) {
            return refuse(where, "the URL's host is missing or malformed", err);
        }
    }
    if (take_char(cursor, ':')) {
        if (!parse_number(take_until(cursor, "/?#"), &k_faci_settings[FACI_SETTING_PORT],
                          &url->port)) {
            return refuse(where, "the URL's port must be 1 to 65535", err);
        }
    }
    return FAC_OK;
}

static fac_status read_tcp(struct cursor *cursor, const char *where, struct faci_url *url,
                           fac_error *err)
{
    fac_status st = read_host(cursor, where, url, err);
    if (st < 0) {
        return st;
    }
    if (take_char(cursor, '/')) {
        fac_bytes db = take_until(cursor, "?#");
        if (db.len > 0 && !parse_number(db, &k_faci_settings[FACI_SETTING_DB], &url->db)) {
            return refuse(where, "the URL's db must be 0 to 1000000", err);
        }
    }
    if (take_char(cursor, '?') && left(cursor) > 0) {
        return refuse(where, "the URL has a query parameter; this scheme takes none", err);
    }
    return left(cursor) == 0 ? FAC_OK : refuse(where, "the URL has junk at its end", err);
}

static bool is_loopback(fac_bytes host)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    if (host.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    return strcasecmp(text, "localhost") == 0 || strcmp(text, "::1") == 0 ||
           (inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

/* RFC 3986, 3.3: a path of pchar and '/'. */
static bool is_path(fac_bytes path)
{
    const unsigned char *at = path.data;
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = at[i];
        bool is_alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9');
        if (!is_alphanumeric && strchr("/%-._~!$&'()*+,;=:@", c) == NULL) {
            return false;
        }
    }
    return decoded_len(path) != SIZE_MAX;
}

static fac_status read_http(struct cursor *cursor, const char *where, struct faci_url *url,
                            fac_error *err)
{
    if (url->password.data != NULL) {
        return refuse(where, "this scheme takes no user and password; the key is api_key", err);
    }
    fac_status st = read_host(cursor, where, url, err);
    if (st < 0) {
        return st;
    }
    if (!url->is_tls && !is_loopback(url->host)) {
        return refuse(where, "http:// is for this machine only; elsewhere it is https://", err);
    }
    if (url->port < 0) {
        url->port = url->is_tls ? 443 : 80;
    }
    url->path = take_until(cursor, "?#");
    if (url->path.len > FACI_URL_BASE_MAX_BYTES) {
        return refuse(where, "the URL's path is longer than 200 bytes", err);
    }
    if (!is_path(url->path)) {
        return refuse(
            where, "the URL's path has a byte or a percent-encoding that none may have", err);
    }
    const char *path = url->path.data;
    while (url->path.len > 0 && path[url->path.len - 1] == '/') {
        url->path.len--;
    }
    return left(cursor) == 0
               ? FAC_OK
               : refuse(where, "the URL has a query; this scheme takes none", err);
}

static fac_status read_unix(struct cursor *cursor, const char *where, struct faci_url *url,
                            fac_error *err)
{
    url->path = take_until(cursor, "?#");
    const char *path = url->path.data;
    size_t len = decoded_len(url->path);
    if (url->path.len == 0 || path[0] != '/') {
        return refuse(where, "the URL must be unix:///path: it has no host", err);
    }
    if (len == SIZE_MAX) {
        return refuse(where, "the URL's path has a bad percent-encoding", err);
    }
    if (len > (size_t)k_faci_settings[FACI_SETTING_UNIX_SOCKET].max) {
        return refuse(where, "the URL's path is too long; it must be 1 to 107 bytes", err);
    }
    if (take_char(cursor, '?') && left(cursor) > 0) {
        if (left(cursor) < 3 || memcmp(cursor->at, "db=", 3) != 0) {
            return refuse(where, "the URL has an unknown query parameter; unix:// takes db",
                          err);
        }
        cursor->at += 3;
        if (!parse_number(take_until(cursor, "#"), &k_faci_settings[FACI_SETTING_DB],
                          &url->db)) {
            return refuse(where, "the URL's db must be 0 to 1000000", err);
        }
    }
    return left(cursor) == 0 ? FAC_OK : refuse(where, "the URL has junk at its end", err);
}

fac_status faci_url_parse(const char *text, const char *where, struct faci_url *out,
                          fac_error *err)
{
    size_t max = (size_t)k_faci_settings[FACI_SETTING_URL].max;
    size_t len = strnlen(text, max + 1);
    if (len > max) {
        return refuse(where, "the URL is longer than 4096 bytes", err);
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f) {
            return refuse(where, "the URL has a space or a control character", err);
        }
    }
    struct faci_url url = {.port = -1, .db = -1};
    struct cursor cursor = {text, text + len};
    fac_status st = read_scheme(&cursor, where, &url, err);
    if (st < 0) {
        return st;
    }
    if (url.scheme == FACI_URL_MEMORY) {
        if (left(&cursor) > 0) {
            return refuse(where, "memory:// takes nothing behind it", err);
        }
    } else {
        st = read_userinfo(&cursor, where, &url, err);
        if (st < 0) {
            return st;
        }
        url.tail = fac_mem(cursor.at, left(&cursor));
        if (url.scheme == FACI_URL_UNIX) {
            st = read_unix(&cursor, where, &url, err);
        } else if (url.scheme == FACI_URL_HTTP) {
            st = read_http(&cursor, where, &url, err);
        } else {
            st = read_tcp(&cursor, where, &url, err);
        }
        if (st < 0) {
            return st;
        }
    }
    *out = url;
    return FAC_OK;
}

void faci_url_redact(const struct faci_url *url, char *buf, size_t cap)
{
    const char *scheme = "";
    for (size_t i = 0; i < FACI_COUNT(k_schemes); i++) {
        if (k_schemes[i].scheme == url->scheme && k_schemes[i].is_tls == url->is_tls) {
            scheme = k_schemes[i].name;
        }
    }
    bool has_userinfo = url->password.data != NULL;
    const char *tail = url->tail.data;
    (void)snprintf(buf, cap, "%s://%s%s%.*s", scheme, has_userinfo ? k_faci_masked : "",
                   has_userinfo ? "@" : "", (int)url->tail.len, tail != NULL ? tail : "");
}
