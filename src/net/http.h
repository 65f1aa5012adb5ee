/* SPDX-License-Identifier: MIT */
/* net/http.h — a stream whose bytes travel as requests of a REST interface. Any thread. */
#ifndef FACI_NET_HTTP_H
#define FACI_NET_HTTP_H

#include "net/http_module.h"
#include "net/stream.h"

#include <faciliter/error.h>

struct faci_http;

/* Load the module. Options are copied, what they point to is borrowed. Connects nothing. FAC_OK,
 * FAC_E_CONFIG, FAC_E_UNSUPPORTED (no module), FAC_E_NOMEM. */
fac_status faci_http_open(const struct faci_http_options *options, struct faci_http **out,
                          fac_error *err);

/* No stream of it may be left. NULL is fine. */
void faci_http_free(struct faci_http *http);

/* Make a stream one of it: the connection comes with the first request. FAC_OK, FAC_E_CONFIG,
 * FAC_E_NOMEM. */
fac_status faci_http_attach(struct faci_http *http, struct faci_stream *stream, fac_error *err);

#endif
