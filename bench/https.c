/* SPDX-License-Identifier: MIT */
/* bench/https.c — the group of the REST form over https, beside libcurl used directly: an easy handle
 * for each thread, its connection kept, the same requests. Both face the bridge of the tests' kit,
 * which is written in Python: its own speed is the larger part of what one request takes. */
#include "cell.h"

#include <curl/curl.h>
#include <kit/bridge.h>
#include <kit/certs.h>
#include <kit/server.h>
#include <stdlib.h>
#include <string.h>

enum {
    ANSWER_BYTES = 1024,
    BODY_BYTES = 128,
};

static const char k_group[] = "https";

/* --- libcurl's side --------------------------------------------------------------------------- */

struct client {
    CURL *easy;
    struct curl_slist *headers;
    size_t len;
    char answer[ANSWER_BYTES];
};

static size_t take_answer(char *bytes, size_t one, size_t n, void *context)
{
    struct client *client = context;
    const size_t fits = sizeof(client->answer) - 1 - client->len;
    (void)one; /* 1, always */
    if (n > fits) {
        return 0; /* an error of libcurl's */
    }
    memcpy(client->answer + client->len, bytes, n);
    client->len += n;
    client->answer[client->len] = '\0';
    return n;
}

static void client_free(struct client *client)
{
    if (client != NULL) {
        curl_easy_cleanup(client->easy);
        curl_slist_free_all(client->headers);
        free(client);
    }
}

static bool add_header(struct client *client, const char *line)
{
    struct curl_slist *longer = curl_slist_append(client->headers, line);
    if (longer != NULL) {
        client->headers = longer;
    }
    return longer != NULL;
}

static bool set_up(struct client *client, const struct bench_endpoint *endpoint)
{
    char url[64];
    char bearer[96];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", endpoint->port);
    (void)snprintf(bearer, sizeof(bearer), "Authorization: Bearer %s", endpoint->api_key);
    client->easy = curl_easy_init();
    return client->easy != NULL && add_header(client, bearer) &&
           add_header(client, "Content-Type: application/json") &&
           add_header(client, "Upstash-Encoding: base64") &&
           curl_easy_setopt(client->easy, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_CAINFO, endpoint->ca_file) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
           curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, client) == CURLE_OK;
}

static void curl_close(struct bench_peer *peer)
{
    for (uint32_t i = 0; i < peer->n_threads; i++) {
        client_free(peer->handles[i]);
        peer->handles[i] = NULL;
    }
}

static bool curl_open(struct bench_peer *peer, const struct bench_endpoint *endpoint)
{
    for (uint32_t i = 0; i < peer->n_threads; i++) {
        struct client *client = calloc(1, sizeof(*client));
        peer->handles[i] = client;
        if (client == NULL || !set_up(client, endpoint)) {
            curl_close(peer);
            return bench_broke("libcurl: no memory");
        }
    }
    return true;
}

/* The value as it stands in an answer. Values of this group are letters, a multiple of three or not. */
static size_t encode_base64(fac_bytes value, char *out)
{
    static const char k_digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = value.data;
    size_t n = 0;
    for (size_t i = 0; i < value.len; i += 3) {
        const size_t left = value.len - i;
        const uint32_t bits = (uint32_t)in[i] << 16 |
                              (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                              (left > 2 ? (uint32_t)in[i + 2] : 0);
        out[n++] = k_digits[bits >> 18 & 63];
        out[n++] = k_digits[bits >> 12 & 63];
        out[n++] = left > 1 ? k_digits[bits >> 6 & 63] : '=';
        out[n++] = left > 2 ? k_digits[bits & 63] : '=';
    }
    return n;
}

/* {"result": "…"}, with or without blanks: the value between the last two quotes. */
static bool is_answer(const struct client *client, const struct bench_entry *entry)
{
    char wanted[ANSWER_BYTES];
    const size_t len = encode_base64(entry->value, wanted);
    const char *end = strrchr(client->answer, '"');
    return strstr(client->answer, "\"result\"") != NULL && end != NULL &&
           end - client->answer > (ptrdiff_t)len && end[-(ptrdiff_t)len - 1] == '"' &&
           memcmp(end - len, wanted, len) == 0;
}

static bool curl_run(struct bench_peer *peer, uint32_t thread, size_t *at, uint32_t n)
{
    struct client *client = peer->handles[thread];
    for (uint32_t i = 0; i < n; i++) {
        const struct bench_entry *entry = bench_next(at);
        char body[BODY_BYTES];
        (void)snprintf(body, sizeof(body), "[\"GET\",\"%s\"]", entry->full_key);
        client->len = 0;
        client->answer[0] = '\0';
        CURLcode code = curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, body);
        if (code == CURLE_OK) {
            code = curl_easy_perform(client->easy);
        }
        if (code != CURLE_OK) {
            return bench_broke("libcurl: %s", curl_easy_strerror(code));
        }
        if (!is_answer(client, entry)) {
            return bench_broke("libcurl GET %s: a wrong answer", entry->full_key);
        }
    }
    return true;
}

const struct bench_driver k_curl_get = {
    .name = "curl_easy_perform, POST [\"GET\",key]",
    .unit = 1,
    .open = curl_open,
    .run = curl_run,
    .close = curl_close,
};

/* --- The group -------------------------------------------------------------------------------- */

/* A request takes longer than a call on a socket: slices are longer, and fewer. */
static struct bench_method method_of(const struct bench_plan *plan)
{
    return (struct bench_method){.n_pairs = plan->is_quick ? 5 : 9,
                                 .slice_s = plan->is_quick ? 0.05 : 0.4};
}

static bool run_cell(const struct bench_plan *plan, const struct bench_endpoint *endpoint,
                     const struct bench_endpoint *direct, uint32_t n_threads, bool is_noise,
                     struct bench_report *report)
{
    struct bench_cell cell = {
        .group = k_group,
        .ours = is_noise ? &k_curl_get : &k_ours_get_into,
        .base = &k_curl_get,
        .n_threads = n_threads,
        .value_bytes = BENCH_SMALL_BYTES,
        .method = method_of(plan),
    };
    (void)snprintf(cell.name, sizeof(cell.name), is_noise ? "a/a get %u" : "get %u", n_threads);
    return bench_cell_run(plan, &cell, endpoint, direct, bench_cell_compare, report);
}

bool bench_group_https(const struct bench_plan *plan, struct bench_report *report)
{
    if (plan->n_servers == 0) {
        return true;
    }
    const struct bench_server *behind = &plan->servers[plan->n_servers - 1];
    const struct kit_cert ca = kit_cert("ca.pem");
    struct kit_bridge *bridge = kit_bridge_start(behind->unix_socket, true, "server.pem",
                                                 "server.key");
    const struct bench_endpoint endpoint = {
        .server = behind->name,
        .transport = "https",
        .port = kit_bridge_port(bridge),
        .is_valkey = behind->tcp.is_valkey,
        .ca_file = ca.path,
        .api_key = KIT_BRIDGE_KEY,
    };
    bool is_ok = run_cell(plan, &endpoint, &behind->local, 1, true, report) &&
                 run_cell(plan, &endpoint, &behind->local, 1, false, report) &&
                 run_cell(plan, &endpoint, &behind->local, 16, true, report) &&
                 run_cell(plan, &endpoint, &behind->local, 16, false, report);
    kit_bridge_stop(bridge);
    bench_report_note(report, "https: against %s", curl_version());
    return is_ok;
}
