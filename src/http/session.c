/* SPDX-License-Identifier: MIT */
/* http/session.c — one connection through libcurl.
 *
 * Design notes. One easy handle on one multi handle, used for one request after another, so the
 * connection below is kept. Only the reader touches either, but for curl_multi_wakeup(). The body is
 * given by a function that cannot go back: libcurl then cannot send a request a second time by itself
 * when a kept connection turns out to be dead, which would apply a write twice. TLS is set up by the
 * rules of tls/, name check and all, on the context that libcurl makes. */
#include "http/http.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "tls/session.h"

#include <faciliter/version.h>

#include <curl/curl.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    URL_BYTES = 512 + 4096, /* scheme, host, port and base */
};

#define TEXT_OF(number) #number
#define DOTTED(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)
#define VERSION_TEXT    DOTTED(FAC_VERSION_MAJOR, FAC_VERSION_MINOR, FAC_VERSION_PATCH)

struct faci_http_session {
    struct faci_http_options options;
    char url[URL_BYTES]; /* without a path behind the base */
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist bearer; /* the last of them: its text is the secret's own */
    struct faci_secret *line; /* "Authorization: Bearer …"; NULL: no key is sent */
    struct curl_slist *connect_to;
    atomic_uint n_events; /* put and told of by session_wake() */
    unsigned n_seen;      /* the reader's: of them, when it last looked */
    atomic_bool is_waiting;
    bool is_under_way;
    bool is_over;
    fac_error why;
    char curl_text[CURL_ERROR_SIZE];
    size_t n_body_sent;
    struct faci_buf in;   /* frames that were put */
    struct faci_buf out;  /* replies that were not taken */
    struct faci_buf body; /* of the answer, as it comes */
    struct faci_buf full_url;
    struct faci_http_request request;
};

static bool is_curl_ready;

static void init_curl(void)
{
    is_curl_ready = faci_http_init_curl();
}

/* --- What libcurl calls ------------------------------------------------------------------------- */

static size_t give_body(char *to, size_t size, size_t n, void *context)
{
    struct faci_http_session *session = context;
    size_t left = faci_buf_len(&session->request.body) - session->n_body_sent;
    size_t bytes = left < size * n ? left : size * n;
    if (bytes > 0) {
        memcpy(to,
               session->request.body.data + session->request.body.begin + session->n_body_sent,
               bytes);
        session->n_body_sent += bytes;
    }
    return bytes;
}

static size_t take_body(char *from, size_t size, size_t n, void *context)
{
    struct faci_http_session *session = context;
    size_t bytes = size * n;
    if (faci_buf_len(&session->body) + bytes > session->options.max_reply_bytes) {
        return 0;
    }
    if (!faci_http_put(&session->body, from, bytes)) {
        (void)faci_fail(&session->why, FAC_E_NOMEM, 0, "no memory for an answer");
        return 0;
    }
    return bytes;
}

/* libcurl has made it; whom to believe, and by which name, is decided as for rediss://. */
static CURLcode set_up_tls(CURL *easy, void *ssl, void *context)
{
    (void)easy;
    struct faci_http_session *session = context;
    fac_error err;
    if (faci_tls_configure(ssl, session->options.tls, &err) < 0) {
        session->why = err;
        return CURLE_SSL_CERTPROBLEM;
    }
    return CURLE_OK;
}

/* --- Life ------------------------------------------------------------------------------------- */

/* The list without what libcurl did not allocate. */
static void take_bearer_off(struct faci_http_session *session)
{
    struct curl_slist **at = &session->headers;
    while (*at != NULL && *at != &session->bearer) {
        at = &(*at)->next;
    }
    *at = NULL;
}

static void session_free(struct faci_http_session *session)
{
    if (session == NULL) {
        return;
    }
    if (session->multi != NULL && session->is_under_way) {
        (void)curl_multi_remove_handle(session->multi, session->easy);
    }
    curl_easy_cleanup(session->easy);
    (void)curl_multi_cleanup(session->multi);
    take_bearer_off(session);
    curl_slist_free_all(session->headers);
    faci_secret_free(session->line);
    curl_slist_free_all(session->connect_to);
    faci_buf_fini(&session->in);
    faci_buf_fini(&session->out);
    faci_buf_fini(&session->body);
    faci_buf_fini(&session->full_url);
    faci_buf_fini(&session->request.path);
    faci_buf_fini(&session->request.body);
    faci_mem_free(session->options.alloc, session);
}

static bool add_header(struct faci_http_session *session, const char *text)
{
    struct curl_slist *longer = curl_slist_append(session->headers, text);
    session->headers = longer != NULL ? longer : session->headers;
    return longer != NULL;
}

/* libcurl reads the list and copies nothing of it, so the key stays on the pages of a secret. */
static bool add_bearer(struct faci_http_session *session)
{
    size_t cap = faci_secret_len(session->options.api_key) + 32;
    session->line = faci_secret_new_empty(cap);
    if (session->line == NULL) {
        return false;
    }
    int n = snprintf(faci_secret_room(session->line), cap, "Authorization: Bearer %s",
                     faci_secret_reveal(session->options.api_key));
    faci_secret_set_len(session->line, (size_t)n);
    session->bearer.data = faci_secret_room(session->line);
    struct curl_slist *last = session->headers;
    while (last->next != NULL) {
        last = last->next;
    }
    last->next = &session->bearer;
    return true;
}

static bool set_headers(struct faci_http_session *session)
{
    return add_header(session, "Content-Type: application/json") &&
           add_header(session, "Upstash-Encoding: base64") && add_header(session, "Expect:") &&
           (session->options.api_key == NULL || add_bearer(session));
}

/* The URL names whom to believe; where that is reached is told apart when the two differ. */
static bool set_url(struct faci_http_session *session)
{
    const struct faci_http_options *options = &session->options;
    const char *name = options->tls != NULL ? options->tls->name : options->host;
    bool is_v6 = strchr(name, ':') != NULL;
    int n = snprintf(session->url, sizeof(session->url), "%s://%s%s%s:%u%s",
                     options->tls != NULL ? "https" : "http", is_v6 ? "[" : "", name,
                     is_v6 ? "]" : "", (unsigned)options->port, options->base);
    if (n < 0 || (size_t)n >= sizeof(session->url)) {
        return false;
    }
    if (strcasecmp(name, options->host) != 0) {
        char to[1024];
        is_v6 = strchr(options->host, ':') != NULL;
        (void)snprintf(to, sizeof(to), "::%s%s%s:%u", is_v6 ? "[" : "", options->host,
                       is_v6 ? "]" : "", (unsigned)options->port);
        session->connect_to = curl_slist_append(NULL, to);
        return session->connect_to != NULL &&
               curl_easy_setopt(session->easy, CURLOPT_CONNECT_TO, session->connect_to) ==
                   CURLE_OK;
    }
    return true;
}

static bool set_options(struct faci_http_session *session)
{
    CURL *easy = session->easy;
    /* The environment is not read here: no proxy, no .netrc. Nothing is followed elsewhere. */
    bool is_good =
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                         session->options.tls != NULL ? "https" : "http") == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, session->curl_text) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, session->headers) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_READDATA, session) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, session) == CURLE_OK;
    if (is_good && session->options.tls != NULL) {
        bool is_insecure = session->options.tls->is_insecure;
        (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        is_good =
            curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, is_insecure ? 0L : 1L) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, is_insecure ? 0L : 2L) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_up_tls) == CURLE_OK &&
            curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, session) == CURLE_OK;
    }
    return is_good;
}

/* The rules are set through OpenSSL's own functions: another TLS below libcurl would ignore them. */
static bool has_openssl(void)
{
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    return info->ssl_version != NULL && strncmp(info->ssl_version, "OpenSSL/3", 9) == 0;
}

static fac_status session_new(const struct faci_http_options *options,
                              struct faci_http_session **out, fac_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, init_curl);
    if (!is_curl_ready || (options->tls != NULL && !has_openssl())) {
        return faci_fail(
            err, FAC_E_UNSUPPORTED, 0,
            "https needs a libcurl with OpenSSL 3 (package libcurl4); this one has %s",
            curl_version());
    }
    struct faci_http_session *session = faci_mem_zalloc(options->alloc, sizeof(*session));
    if (session == NULL) {
        return faci_fail(err, FAC_E_NOMEM, 0, "out of memory");
    }
    session->options = *options;
    faci_buf_init(&session->in, options->alloc);
    faci_buf_init(&session->out, options->alloc);
    faci_buf_init(&session->body, options->alloc);
    faci_buf_init(&session->full_url, options->alloc);
    faci_buf_init(&session->request.path, options->alloc);
    faci_buf_init(&session->request.body, options->alloc);
    session->multi = curl_multi_init();
    session->easy = curl_easy_init();
    if (session->multi == NULL || session->easy == NULL || !set_headers(session) ||
        !set_url(session) || !set_options(session)) {
        session_free(session);
        return faci_fail(err, FAC_E_NOMEM, 0, "libcurl cannot be set up");
    }
    *out = session;
    return FAC_OK;
}

/* --- A request -------------------------------------------------------------------------------- */

static void end_with(struct faci_http_session *session, fac_status st, const char *text)
{
    session->is_over = true;
    if (session->why.status == FAC_OK) {
        (void)faci_fail(&session->why, st, 0, "%s", text);
    }
}

static bool session_put(struct faci_http_session *session, const void *bytes, size_t len)
{
    bool is_put = faci_http_put(&session->in, bytes, len);
    if (!is_put) {
        end_with(session, FAC_E_NOMEM, "no memory for a request");
    }
    return is_put;
}

static void start(struct faci_http_session *session)
{
    faci_buf_consume(&session->full_url, faci_buf_len(&session->full_url));
    faci_buf_consume(&session->body, faci_buf_len(&session->body));
    session->n_body_sent = 0;
    const struct faci_buf *path = &session->request.path;
    curl_off_t size = (curl_off_t)faci_buf_len(&session->request.body);
    bool is_good =
        faci_http_put_text(&session->full_url, session->url) &&
        faci_http_put(&session->full_url, path->data + path->begin, faci_buf_len(path)) &&
        curl_easy_setopt(session->easy, CURLOPT_URL,
                         session->full_url.data + session->full_url.begin) == CURLE_OK &&
        curl_easy_setopt(session->easy, CURLOPT_POSTFIELDSIZE_LARGE, size) == CURLE_OK &&
        curl_multi_add_handle(session->multi, session->easy) == CURLM_OK;
    session->is_under_way = is_good;
    if (!is_good) {
        end_with(session, FAC_E_NOMEM, "no memory for a request");
    }
}

/* Whether the peer has hung up while nothing was under way: what is kept open may be dead. */
static bool is_gone(struct faci_http_session *session)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    char byte = 0;
    return curl_easy_getinfo(session->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK &&
           fd != CURL_SOCKET_BAD && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void session_begin(struct faci_http_session *session)
{
    if (session->is_under_way || session->is_over) {
        return;
    }
    if (!faci_http_next(&session->in, &session->out, &session->request)) {
        end_with(session, FAC_E_NOMEM, "no memory for a request");
    } else if (session->request.kind != FACI_HTTP_NONE) {
        start(session);
    }
}

/* What libcurl's failure is to the caller. */
static void note_failure(struct faci_http_session *session, CURLcode code)
{
    const char *text = session->curl_text[0] != '\0' ? session->curl_text
                                                     : curl_easy_strerror(code);
    fac_status st = FAC_E_UNAVAILABLE;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM) {
        st = FAC_E_AUTH;
    } else if (code == CURLE_WRITE_ERROR) {
        st = FAC_E_TOO_LARGE;
    } else if (code == CURLE_OUT_OF_MEMORY) {
        st = FAC_E_NOMEM;
    } else if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_UNSUPPORTED_PROTOCOL) {
        st = FAC_E_PROTOCOL;
    }
    end_with(session, st, text);
}

static void finish(struct faci_http_session *session, CURLcode code)
{
    long http_status = 0;
    (void)curl_easy_getinfo(session->easy, CURLINFO_RESPONSE_CODE, &http_status);
    if (code != CURLE_OK) {
        note_failure(session, code);
        return;
    }
    fac_bytes body = fac_mem(session->body.data + session->body.begin,
                             faci_buf_len(&session->body));
    fac_error why;
    fac_status st = faci_http_answer(&session->request, http_status, body, &session->out, &why);
    if (st < 0) {
        session->why = why;
        session->is_over = true;
    }
}

/* What drive() finds is taken over under the lock, in take(). */
static void collect(struct faci_http_session *session)
{
    int n_left = 0;
    for (CURLMsg *message = curl_multi_info_read(session->multi, &n_left); message != NULL;
         message = curl_multi_info_read(session->multi, &n_left)) {
        if (message->msg == CURLMSG_DONE) {
            CURLcode code = message->data.result;
            (void)curl_multi_remove_handle(session->multi, session->easy);
            session->is_under_way = false;
            finish(session, code);
        }
    }
}

/* Who waits says so, and then looks whether anything came since it last looked; who has something says so,
 * and then looks whether anybody waits. One of them notices the other, and a caller who reads what it has
 * just put itself need not wake itself: that took four system calls. */
static void session_drive(struct faci_http_session *session, int wait_ms)
{
    int n_running = 0;
    (void)curl_multi_perform(session->multi, &n_running);
    if (n_running > 0 || !session->is_under_way) {
        atomic_store(&session->is_waiting, true);
        if (atomic_load(&session->n_events) == session->n_seen) {
            (void)curl_multi_poll(session->multi, NULL, 0, wait_ms, NULL);
        }
        atomic_store(&session->is_waiting, false);
        (void)curl_multi_perform(session->multi, &n_running);
    }
}

static void session_wake(struct faci_http_session *session)
{
    (void)atomic_fetch_add(&session->n_events, 1U);
    if (atomic_load(&session->is_waiting)) {
        (void)curl_multi_wakeup(session->multi);
    }
}

static ssize_t session_take(struct faci_http_session *session, void *buf, size_t cap)
{
    session->n_seen = atomic_load(&session->n_events);
    if (session->is_under_way) {
        collect(session);
    }
    size_t there = faci_buf_len(&session->out);
    if (there > 0) {
        size_t n = there < cap ? there : cap;
        memcpy(buf, session->out.data + session->out.begin, n);
        faci_buf_consume(&session->out, n);
        return (ssize_t)n;
    }
    if (session->is_over) {
        errno = EPROTO;
        return -1;
    }
    if (!session->is_under_way && faci_buf_len(&session->in) == 0 && is_gone(session)) {
        return 0;
    }
    errno = EAGAIN;
    return -1;
}

static fac_status session_why(const struct faci_http_session *session, fac_error *err)
{
    if (session->is_over && err != NULL) {
        *err = session->why;
    }
    return session->is_over ? session->why.status : FAC_OK;
}

const struct faci_http_module k_faci_http_curl = {
    .abi = FACI_HTTP_ABI,
    .version = VERSION_TEXT,
    .library = "libcurl " LIBCURL_VERSION,
    .session_new = session_new,
    .session_free = session_free,
    .put = session_put,
    .begin = session_begin,
    .drive = session_drive,
    .wake = session_wake,
    .take = session_take,
    .why = session_why,
};
