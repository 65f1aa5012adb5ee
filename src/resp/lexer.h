/* SPDX-License-Identifier: MIT */
/* resp/lexer.h — cuts bytes into RESP2 and RESP3 tokens. Knows the grammar of one value's header
 * and payload, and nothing of nesting or limits but that of a line. Pure: no I/O, no allocation,
 * no clock. One owner at a time. */
#ifndef FACI_RESP_LEXER_H
#define FACI_RESP_LEXER_H

#include <faciliter/reply.h>

#include <stddef.h>
#include <stdint.h>

enum faci_lex_token {
    FACI_LEX_MORE,      /* all input consumed inside a token */
    FACI_LEX_BEGIN,     /* a value starts: `kind`, `type` and `number` are set */
    FACI_LEX_DATA,      /* `run_len` bytes of its payload are at `run`, within the input */
    FACI_LEX_END,       /* its payload is complete, line end included */
    FACI_LEX_MALFORMED, /* not RESP: `*in` is the refused byte, error_text says why */
    FACI_LEX_TOO_LARGE, /* a line over its limit: `*in` is the first byte too many */
};

enum faci_lex_kind {
    FACI_LEX_SCALAR,    /* complete with BEGIN: INTEGER, BOOLEAN, NULL */
    FACI_LEX_BLOB,      /* `number` bytes of DATA, then END */
    FACI_LEX_LINE,      /* DATA of unknown length (number -1), then END */
    FACI_LEX_AGGREGATE, /* `number` as sent: children, or pairs of a MAP */
    FACI_LEX_ATTRIBUTE, /* `number` pairs that describe the value behind them */
    FACI_LEX_PUSH,      /* `number` children, belonging to no reply */
};

/* What the reader lets a value be where it now stands; other first bytes are refused. */
enum {
    FACI_LEX_ACCEPT_VALUE = 1 << 0,
    FACI_LEX_ACCEPT_ATTRIBUTE = 1 << 1,
    FACI_LEX_ACCEPT_PUSH = 1 << 2
};

struct faci_lexer {
    /* The token, after faci_lexer_next(). */
    enum faci_lex_kind kind;
    fac_reply_type type; /* of SCALAR, BLOB, LINE and AGGREGATE */
    int64_t number;
    const unsigned char *run;
    size_t run_len;
    const char *error_text; /* a constant */

    unsigned accepts; /* FACI_LEX_ACCEPT_…; set by the owner between values */

    /* Private to lexer.c. */
    uint8_t state;
    uint8_t line_state; /* where the grammar of a line stands */
    uint8_t first_byte; /* the value's type, an index of the type table */
    uint8_t mark_left;  /* bytes of a verbatim's mark still to come, its ':' included */
    uint64_t left;      /* payload bytes to come (blob) or still allowed (line) */
};

void faci_lexer_init(struct faci_lexer *lexer);

/* Consume from `*in` up to the end of the next token; at least one byte when `*in < end`, but for
 * MALFORMED and TOO_LARGE. After those two the lexer must not be called again. */
enum faci_lex_token faci_lexer_next(struct faci_lexer *lexer, const unsigned char **in,
                                    const unsigned char *end);

#endif
