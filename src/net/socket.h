/* SPDX-License-Identifier: MIT */
/* net/socket.h — a stream's calls on the socket itself, for the layers that stand on it. */
#ifndef FACI_NET_SOCKET_H
#define FACI_NET_SOCKET_H

#include "net/stream.h"

/* As those of stream.h without the word socket. */
ssize_t faci_socket_receive_some(struct faci_stream *stream, void *buf, size_t cap);
ssize_t faci_socket_receive(struct faci_stream *stream, void *buf, size_t cap,
                            int64_t deadline_ns);
unsigned faci_socket_wait(struct faci_stream *stream, unsigned wants, int64_t deadline_ns);

/* The stream is of this layer from here on, and frees it at its end. */
void faci_stream_put_layer(struct faci_stream *stream, struct faci_layer *layer);

#endif
