/* SPDX-License-Identifier: MIT */
/* kit/tlsfront.h — a TLS server of a test's own, for what a real one would refuse to be: weak
 * certificates, old versions, a handshake that stops. What it deciphers goes on, in plain text, to a
 * server or a stub behind it. */
#ifndef FAC_KIT_TLSFRONT_H
#define FAC_KIT_TLSFRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kit_tlsfront_options {
    uint16_t to_port;    /* on 127.0.0.1; or */
    const char *to_unix; /* a socket */
    const char *cert; /* files of kit/certs.h, such as "server.pem"; a chain may follow in it */
    const char *key;  /* NULL: "server.key" */
    const char *client_ca;    /* NULL: no certificate is asked of the client */
    int min_version;          /* of OpenSSL's, such as TLS1_1_VERSION; 0: any */
    int max_version;          /* the same */
    size_t stall_after_bytes; /* sent to the client: then nothing more is, ever; 0: never */
    bool is_silent;           /* not even the handshake is answered */
    bool has_no_tickets;
};

struct kit_tlsfront_counts {
    size_t n_accepted;
    size_t n_handshakes; /* that succeeded */
    size_t n_resumed;    /* of them */
    size_t n_bytes;      /* deciphered, from clients */
};

struct kit_tlsfront;

/* Asserts that it works. */
struct kit_tlsfront *kit_tlsfront_start(const struct kit_tlsfront_options *options);

/* End its connections and threads. NULL is fine. */
void kit_tlsfront_stop(struct kit_tlsfront *front);

uint16_t kit_tlsfront_port(const struct kit_tlsfront *front);
struct kit_tlsfront_counts kit_tlsfront_counts(struct kit_tlsfront *front);

/* The name that the last client asked for (SNI), "" for none. */
void kit_tlsfront_asked(struct kit_tlsfront *front, char *out, size_t cap);

#endif
