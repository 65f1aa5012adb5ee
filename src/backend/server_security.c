/* SPDX-License-Identifier: MIT */
/* backend/server_security.c — TLS and passwords of a server: set up before the first connection, and
 * told of afterwards. */
#include "backend/server.h"

#include "base/error.h"
#include "net/tls.h"

#include <stdio.h>
#include <string.h>

enum {
    MAX_ANSWER_BYTES = 96 * 1024 * 1024, /* a value of 64 MiB in base64, and more */
};

static bool is_loopback(const struct faci_settings *settings)
{
    const char *host = settings->host;
    return settings->unix_socket != NULL || strcmp(host, "localhost") == 0 ||
           strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0;
}

/* What a user should know before the first byte leaves. */
static void warn(const struct faci_server *server, unsigned i)
{
    const struct faci_settings *settings = &server->config->choices[i];
    bool has_password = settings->password != NULL || settings->password_file != NULL ||
                        server->askers[i] != NULL;
    if (settings->tls && settings->tls_insecure) {
        faci_log(&server->log, FAC_LOG_WARN,
                 "tls_insecure: the certificate of %s is not verified; whoever is on the way "
                 "can read and change everything",
                 settings->host);
    } else if (!settings->tls && has_password && !is_loopback(settings)) {
        faci_log(&server->log, FAC_LOG_WARN,
                 "the password goes to %s in plain text; rediss:// would encrypt it",
                 settings->host);
    }
}

fac_status faci_server_open_security(struct faci_server *server, unsigned i, fac_error *err)
{
    const struct faci_config *config = server->config;
    const struct faci_settings *settings = &config->choices[i];
    fac_status st = FAC_OK;
    if (config->password_fn != NULL) {
        st = faci_asker_new(&config->alloc, config->password_fn, config->password_context,
                            &server->askers[i], err);
    }
    server->tls_options[i] = (struct faci_tls_options){
        .alloc = &config->alloc,
        .name = settings->tls_server_name != NULL ? settings->tls_server_name : settings->host,
        .ca_file = settings->tls_ca_file,
        .ca_dir = settings->tls_ca_dir,
        .cert_file = settings->tls_cert_file,
        .key_file = settings->tls_key_file,
        .min_version = settings->tls_min_version,
        .is_insecure = settings->tls_insecure,
    };
    if (st == FAC_OK && settings->http_base != NULL) {
        const struct faci_http_options options = {
            .alloc = &config->alloc,
            .host = settings->host,
            .port = settings->port,
            .base = settings->http_base,
            .api_key = settings->api_key,
            .tls = settings->tls ? &server->tls_options[i] : NULL,
            .max_reply_bytes = MAX_ANSWER_BYTES,
        };
        st = faci_http_open(&options, &server->http[i], err);
    } else if (st == FAC_OK && settings->tls) {
        st = faci_tls_open(&server->tls_options[i], &server->tls[i], err);
    }
    if (st == FAC_OK) {
        warn(server, i);
    }
    return st;
}

void faci_server_close_security(struct faci_server *server, unsigned i)
{
    faci_tls_free(server->tls[i]);
    faci_http_free(server->http[i]);
    faci_asker_free(server->askers[i]);
}

static struct faci_tls *chosen_tls(struct faci_server *server)
{
    unsigned chosen = atomic_load_explicit(&server->chosen, memory_order_acquire);
    return server->tls[chosen < server->config->n_choices ? chosen : 0];
}

void faci_server_tell_security(struct faci_server *server, fac_health *out)
{
    const struct faci_settings *settings = faci_server_settings(&server->backend);
    struct faci_tls *tls = chosen_tls(server);
    if (!settings->tls) {
        return;
    }
    out->security = settings->tls_insecure ? FAC_SECURITY_TLS_INSECURE : FAC_SECURITY_TLS;
    if (tls != NULL) {
        struct faci_tls_report report;
        faci_tls_report(tls, &report);
        (void)snprintf(out->tls_version, sizeof(out->tls_version), "%s", report.last.version);
        (void)snprintf(out->tls_cipher, sizeof(out->tls_cipher), "%s", report.last.cipher);
        out->tls_cert_expires_at_s = report.cert_expires_at_s;
    }
}

void faci_server_count_security(struct faci_server *server, fac_stats *out)
{
    struct faci_tls *tls = chosen_tls(server);
    if (tls != NULL) {
        struct faci_tls_report report;
        faci_tls_report(tls, &report);
        out->tls_handshakes = report.handshakes;
        out->tls_resumed = report.resumed;
    }
}
