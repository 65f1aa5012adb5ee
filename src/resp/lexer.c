/* SPDX-License-Identifier: MIT */
/* resp/lexer.c — cuts bytes into RESP2 and RESP3 tokens. Pure: no I/O, no allocation, no clock.
 *
 * One handler per state; each consumes what it can and returns the token it completed, or MORE.
 * No byte is looked at twice, so how the input was split never costs time.
 *
 * RESP3's streamed forms ("$?", "*?", ".") are refused as malformed: no server sends them. */
#include "resp/lexer.h"

#include "resp/reader.h"

#include <stdbool.h>

/*
 *   TYPE -+-> NUMBER_FIRST -+-> NUMBER ------+-> HEAD_CR? -> HEAD_LF -+-> TYPE        (BEGIN)
 *         |                 +-> MINUS / NULL_ONE +                    +-> MARK -> BODY (BEGIN)
 *         +-> NOTHING_CR ------------------------+                    +-> BODY         (BEGIN)
 *         +-> FLAG ------------------------------+
 *         +-> LINE (BEGIN; DATA …) -> LINE_LF -> TYPE (END)
 *   BODY (DATA …) -> BODY_CR -> BODY_LF -> TYPE (END)
 */
enum lex_state {
    LEX_TYPE,
    LEX_NUMBER_FIRST, /* '-' or the first digit */
    LEX_MINUS,        /* the first digit behind an integer's '-' */
    LEX_NULL_ONE,     /* the '1' of a length -1 */
    LEX_DIGITS,       /* further digits, or CR */
    LEX_FLAG,         /* 't' or 'f' */
    LEX_HEAD_CR,      /* nothing but CR */
    LEX_HEAD_LF,
    LEX_MARK, /* "txt:" before the text of a verbatim string */
    LEX_BODY,
    LEX_BODY_CR,
    LEX_BODY_LF,
    LEX_LINE,
    LEX_LINE_LF,
    LEX_REFUSED,  /* the byte at *in was refused, behind a run that went out first */
    LEX_OVERLONG, /* the same, for a line over its limit */
    LEX_NSTATES
};

/* The grammars of lines: text, double, big number. A state of 0 refuses. */
enum line_state {
    LINE_REFUSED,
    LINE_END, /* the byte was CR, and may be here */
    LINE_TEXT,
    LINE_DOUBLE, /* nothing yet */
    LINE_MINUS,
    LINE_PLUS,
    LINE_WHOLE,
    LINE_POINT,
    LINE_FRACTION,
    LINE_E,
    LINE_E_SIGN,
    LINE_EXPONENT,
    LINE_I,
    LINE_IN,
    LINE_N,
    LINE_NA,
    LINE_WORD, /* "inf" or "nan" is complete */
    LINE_BIG,  /* nothing yet */
    LINE_BIG_SIGN,
    LINE_BIG_DIGITS,
    LINE_NSTATES
};

enum line_class {
    CLASS_OTHER,
    CLASS_CR,
    CLASS_LF,
    CLASS_DIGIT,
    CLASS_PLUS,
    CLASS_MINUS,
    CLASS_POINT,
    CLASS_E,
    CLASS_I,
    CLASS_N,
    CLASS_F,
    CLASS_A,
    CLASS_COUNT
};

/* clang-format off */
static const uint8_t k_classes[256] = {
    ['\r'] = CLASS_CR, ['\n'] = CLASS_LF,
    ['0'] = CLASS_DIGIT, ['1'] = CLASS_DIGIT, ['2'] = CLASS_DIGIT, ['3'] = CLASS_DIGIT,
    ['4'] = CLASS_DIGIT, ['5'] = CLASS_DIGIT, ['6'] = CLASS_DIGIT, ['7'] = CLASS_DIGIT,
    ['8'] = CLASS_DIGIT, ['9'] = CLASS_DIGIT,
    ['+'] = CLASS_PLUS, ['-'] = CLASS_MINUS, ['.'] = CLASS_POINT,
    ['e'] = CLASS_E, ['E'] = CLASS_E,
    ['i'] = CLASS_I, ['n'] = CLASS_N, ['f'] = CLASS_F, ['a'] = CLASS_A,
};

static const uint8_t k_line_next[LINE_NSTATES][CLASS_COUNT] = {
    [LINE_TEXT] = {
        [CLASS_OTHER] = LINE_TEXT, [CLASS_CR] = LINE_END,     [CLASS_DIGIT] = LINE_TEXT,
        [CLASS_PLUS] = LINE_TEXT,  [CLASS_MINUS] = LINE_TEXT, [CLASS_POINT] = LINE_TEXT,
        [CLASS_E] = LINE_TEXT,     [CLASS_I] = LINE_TEXT,     [CLASS_N] = LINE_TEXT,
        [CLASS_F] = LINE_TEXT,     [CLASS_A] = LINE_TEXT,
    },
    /* [+-]?digits[.digits][(e|E)[+-]?digits], inf, -inf, nan */
    [LINE_DOUBLE] = {
        [CLASS_DIGIT] = LINE_WHOLE, [CLASS_PLUS] = LINE_PLUS, [CLASS_MINUS] = LINE_MINUS,
        [CLASS_I] = LINE_I,         [CLASS_N] = LINE_N,
    },
    [LINE_MINUS]    = {[CLASS_DIGIT] = LINE_WHOLE, [CLASS_I] = LINE_I},
    [LINE_PLUS]     = {[CLASS_DIGIT] = LINE_WHOLE},
    [LINE_WHOLE]    = {[CLASS_DIGIT] = LINE_WHOLE, [CLASS_POINT] = LINE_POINT,
                       [CLASS_E] = LINE_E, [CLASS_CR] = LINE_END},
    [LINE_POINT]    = {[CLASS_DIGIT] = LINE_FRACTION},
    [LINE_FRACTION] = {[CLASS_DIGIT] = LINE_FRACTION, [CLASS_E] = LINE_E,
                       [CLASS_CR] = LINE_END},
    [LINE_E]        = {[CLASS_DIGIT] = LINE_EXPONENT, [CLASS_PLUS] = LINE_E_SIGN,
                       [CLASS_MINUS] = LINE_E_SIGN},
    [LINE_E_SIGN]   = {[CLASS_DIGIT] = LINE_EXPONENT},
    [LINE_EXPONENT] = {[CLASS_DIGIT] = LINE_EXPONENT, [CLASS_CR] = LINE_END},
    [LINE_I]        = {[CLASS_N] = LINE_IN},
    [LINE_IN]       = {[CLASS_F] = LINE_WORD},
    [LINE_N]        = {[CLASS_A] = LINE_NA},
    [LINE_NA]       = {[CLASS_N] = LINE_WORD},
    [LINE_WORD]     = {[CLASS_CR] = LINE_END},
    /* [+-]?digits */
    [LINE_BIG]        = {[CLASS_DIGIT] = LINE_BIG_DIGITS, [CLASS_PLUS] = LINE_BIG_SIGN,
                         [CLASS_MINUS] = LINE_BIG_SIGN},
    [LINE_BIG_SIGN]   = {[CLASS_DIGIT] = LINE_BIG_DIGITS},
    [LINE_BIG_DIGITS] = {[CLASS_DIGIT] = LINE_BIG_DIGITS, [CLASS_CR] = LINE_END},
};

enum minus {MINUS_NONE, MINUS_ANY, MINUS_NULL};

static const struct lex_type {
    uint8_t accept; /* 0: not a type */
    uint8_t state;  /* behind the type byte */
    uint8_t kind;
    uint8_t type;
    uint8_t minus;  /* what a '-' may mean in its number */
    uint8_t line;   /* grammar of a LINE */
    uint8_t mark;   /* bytes of a verbatim's mark */
    const char *error_text; /* of what follows the type byte */
} k_types[256] = {
    ['+'] = {FACI_LEX_ACCEPT_VALUE, LEX_LINE, FACI_LEX_LINE, FAC_REPLY_STATUS,
             MINUS_NONE, LINE_TEXT, 0, "line feed without carriage return"},
    ['-'] = {FACI_LEX_ACCEPT_VALUE, LEX_LINE, FACI_LEX_LINE, FAC_REPLY_ERROR,
             MINUS_NONE, LINE_TEXT, 0, "line feed without carriage return"},
    [','] = {FACI_LEX_ACCEPT_VALUE, LEX_LINE, FACI_LEX_LINE, FAC_REPLY_DOUBLE,
             MINUS_NONE, LINE_DOUBLE, 0, "bad double"},
    ['('] = {FACI_LEX_ACCEPT_VALUE, LEX_LINE, FACI_LEX_LINE, FAC_REPLY_BIG_NUMBER,
             MINUS_NONE, LINE_BIG, 0, "bad big number"},
    [':'] = {FACI_LEX_ACCEPT_VALUE, LEX_NUMBER_FIRST, FACI_LEX_SCALAR, FAC_REPLY_INTEGER,
             MINUS_ANY, 0, 0, "bad integer"},
    ['_'] = {FACI_LEX_ACCEPT_VALUE, LEX_HEAD_CR, FACI_LEX_SCALAR, FAC_REPLY_NULL,
             MINUS_NONE, 0, 0, "bad null"},
    ['#'] = {FACI_LEX_ACCEPT_VALUE, LEX_FLAG, FACI_LEX_SCALAR, FAC_REPLY_BOOLEAN,
             MINUS_NONE, 0, 0, "bad boolean"},
    ['$'] = {FACI_LEX_ACCEPT_VALUE, LEX_NUMBER_FIRST, FACI_LEX_BLOB, FAC_REPLY_STRING,
             MINUS_NULL, 0, 0, "bad length of a string"},
    ['!'] = {FACI_LEX_ACCEPT_VALUE, LEX_NUMBER_FIRST, FACI_LEX_BLOB, FAC_REPLY_ERROR,
             MINUS_NONE, 0, 0, "bad length of an error"},
    ['='] = {FACI_LEX_ACCEPT_VALUE, LEX_NUMBER_FIRST, FACI_LEX_BLOB, FAC_REPLY_VERBATIM,
             MINUS_NONE, 0, 4, "bad length of a verbatim string"},
    ['*'] = {FACI_LEX_ACCEPT_VALUE, LEX_NUMBER_FIRST, FACI_LEX_AGGREGATE, FAC_REPLY_ARRAY,
             MINUS_NULL, 0, 0, "bad count of an array"},
    ['%'] = {FACI_LEX_ACCEPT_VALUE, LEX_NUMBER_FIRST, FACI_LEX_AGGREGATE, FAC_REPLY_MAP,
             MINUS_NONE, 0, 0, "bad count of a map"},
    ['~'] = {FACI_LEX_ACCEPT_VALUE, LEX_NUMBER_FIRST, FACI_LEX_AGGREGATE, FAC_REPLY_SET,
             MINUS_NONE, 0, 0, "bad count of a set"},
    ['|'] = {FACI_LEX_ACCEPT_ATTRIBUTE, LEX_NUMBER_FIRST, FACI_LEX_ATTRIBUTE, FAC_REPLY_NULL,
             MINUS_NONE, 0, 0, "bad count of an attribute"},
    ['>'] = {FACI_LEX_ACCEPT_PUSH, LEX_NUMBER_FIRST, FACI_LEX_PUSH, FAC_REPLY_NULL,
             MINUS_NONE, 0, 0, "bad count of a push"},
};
/* clang-format on */

static enum faci_lex_token refuse(struct faci_lexer *lx, const char *why)
{
    lx->error_text = why;
    return FACI_LEX_MALFORMED;
}

static const struct lex_type *type_of(const struct faci_lexer *lx)
{
    return &k_types[lx->first_byte];
}

static enum faci_lex_token on_type(struct faci_lexer *lx, const unsigned char **in)
{
    const struct lex_type *type = &k_types[**in];
    if ((type->accept & lx->accepts) == 0) {
        if (type->accept == 0) {
            return refuse(lx, "unknown type of a value");
        }
        return refuse(lx, type->accept == FACI_LEX_ACCEPT_PUSH ? "a push inside a reply"
                                                               : "a reply nobody asked for");
    }
    lx->first_byte = **in;
    (*in)++;
    lx->state = type->state;
    lx->kind = (enum faci_lex_kind)type->kind;
    lx->type = (fac_reply_type)type->type;
    lx->number = 0;
    if (type->state == LEX_LINE) {
        lx->number = -1;
        lx->line_state = type->line;
        lx->left = FACI_READ_LINE_MAX_BYTES;
        return FACI_LEX_BEGIN;
    }
    return FACI_LEX_MORE;
}

static enum faci_lex_token on_number_first(struct faci_lexer *lx, const unsigned char **in)
{
    const struct lex_type *type = type_of(lx);
    unsigned char c = **in;
    if (c == '-' && type->minus != MINUS_NONE) {
        lx->state = type->minus == MINUS_ANY ? LEX_MINUS : LEX_NULL_ONE;
    } else if (c == '0' && type->mark == 0) {
        lx->state = LEX_HEAD_CR;
    } else if (c >= '1' && c <= '9') {
        lx->number = c - '0';
        lx->state = LEX_DIGITS;
    } else {
        return refuse(lx, type->error_text);
    }
    (*in)++;
    return FACI_LEX_MORE;
}

static enum faci_lex_token on_minus(struct faci_lexer *lx, const unsigned char **in)
{
    if (**in < '1' || **in > '9') {
        return refuse(lx, type_of(lx)->error_text);
    }
    lx->number = '0' - **in; /* negative from here on: '-' applies to each digit */
    lx->state = LEX_DIGITS;
    (*in)++;
    return FACI_LEX_MORE;
}

static enum faci_lex_token on_null_one(struct faci_lexer *lx, const unsigned char **in)
{
    if (**in != '1') {
        return refuse(lx, type_of(lx)->error_text);
    }
    lx->kind = FACI_LEX_SCALAR;
    lx->type = FAC_REPLY_NULL;
    lx->state = LEX_HEAD_CR;
    (*in)++;
    return FACI_LEX_MORE;
}

static enum faci_lex_token on_digits(struct faci_lexer *lx, const unsigned char **in,
                                     const unsigned char *end)
{
    const unsigned char *at = *in;
    int64_t number = lx->number;
    int64_t sign = number < 0 ? -1 : 1;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        int64_t digit = sign * (*at - '0');
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, digit, &number)) {
            *in = at;
            return refuse(lx, "a number that does not fit 64 bits");
        }
    }
    lx->number = number;
    *in = at;
    if (at == end) {
        return FACI_LEX_MORE;
    }
    if (*at != '\r' || (sign > 0 && number < type_of(lx)->mark)) {
        return refuse(lx, type_of(lx)->error_text);
    }
    lx->state = LEX_HEAD_LF;
    (*in)++;
    return FACI_LEX_MORE;
}

static enum faci_lex_token on_flag(struct faci_lexer *lx, const unsigned char **in)
{
    if (**in != 't' && **in != 'f') {
        return refuse(lx, type_of(lx)->error_text);
    }
    lx->number = **in == 't' ? 1 : 0;
    lx->state = LEX_HEAD_CR;
    (*in)++;
    return FACI_LEX_MORE;
}

static enum faci_lex_token on_head_cr(struct faci_lexer *lx, const unsigned char **in)
{
    if (**in != '\r') {
        return refuse(lx, type_of(lx)->error_text);
    }
    lx->state = LEX_HEAD_LF;
    (*in)++;
    return FACI_LEX_MORE;
}

static enum faci_lex_token on_head_lf(struct faci_lexer *lx, const unsigned char **in)
{
    if (**in != '\n') {
        return refuse(lx, "carriage return without line feed");
    }
    (*in)++;
    lx->state = LEX_TYPE;
    if (lx->kind == FACI_LEX_BLOB) {
        lx->mark_left = type_of(lx)->mark;
        lx->number -= lx->mark_left;
        lx->left = (uint64_t)lx->number;
        lx->state = lx->mark_left > 0 ? LEX_MARK : lx->left > 0 ? LEX_BODY : LEX_BODY_CR;
    }
    return FACI_LEX_BEGIN;
}

static enum faci_lex_token on_mark(struct faci_lexer *lx, const unsigned char **in,
                                   const unsigned char *end)
{
    while (*in < end && lx->mark_left > 0) {
        if (lx->mark_left == 1 && **in != ':') {
            return refuse(lx, "no ':' behind the mark of a verbatim string");
        }
        lx->mark_left--;
        (*in)++;
    }
    if (lx->mark_left == 0) {
        lx->state = lx->left > 0 ? LEX_BODY : LEX_BODY_CR;
    }
    return FACI_LEX_MORE;
}

static enum faci_lex_token on_body(struct faci_lexer *lx, const unsigned char **in,
                                   const unsigned char *end)
{
    size_t here = (size_t)(end - *in);
    lx->run = *in;
    lx->run_len = lx->left < here ? (size_t)lx->left : here;
    lx->left -= lx->run_len;
    *in += lx->run_len;
    if (lx->left == 0) {
        lx->state = LEX_BODY_CR;
    }
    return FACI_LEX_DATA;
}

static enum faci_lex_token on_body_cr(struct faci_lexer *lx, const unsigned char **in)
{
    if (**in != '\r') {
        return refuse(lx, "a string longer than its length");
    }
    lx->state = LEX_BODY_LF;
    (*in)++;
    return FACI_LEX_MORE;
}

/* Behind the CR of a blob and of a line alike. */
static enum faci_lex_token on_last_lf(struct faci_lexer *lx, const unsigned char **in)
{
    if (**in != '\n') {
        return refuse(lx, "carriage return without line feed");
    }
    lx->state = LEX_TYPE;
    (*in)++;
    return FACI_LEX_END;
}

static enum faci_lex_token refuse_line(struct faci_lexer *lx)
{
    if (lx->state == LEX_OVERLONG) {
        lx->error_text = "a line over 64 KiB";
        return FACI_LEX_TOO_LARGE;
    }
    return refuse(lx, type_of(lx)->error_text);
}

/* Where a line goes on that ends before `next`; a text byte stops it only behind its limit. */
static uint8_t stop_at(uint8_t next)
{
    if (next == LINE_END) {
        return LEX_LINE_LF;
    }
    return next == LINE_REFUSED ? LEX_REFUSED : LEX_OVERLONG;
}

static enum faci_lex_token on_line(struct faci_lexer *lx, const unsigned char **in,
                                   const unsigned char *end)
{
    const unsigned char *at = *in;
    uint8_t state = lx->line_state;
    uint64_t left = lx->left;
    uint8_t stop = LEX_LINE;
    for (; at < end; at++) {
        uint8_t next = k_line_next[state][k_classes[*at]];
        if (next == LINE_END || next == LINE_REFUSED || left == 0) {
            stop = stop_at(next);
            break;
        }
        state = next;
        left--;
    }
    lx->line_state = state;
    lx->left = left;
    lx->state = stop;
    lx->run = *in;
    lx->run_len = (size_t)(at - *in);
    *in = stop == LEX_LINE_LF ? at + 1 : at;
    if (lx->run_len > 0) {
        return FACI_LEX_DATA; /* a refused byte behind the run is reported by the next call */
    }
    return stop == LEX_LINE_LF ? FACI_LEX_MORE : refuse_line(lx);
}

void faci_lexer_init(struct faci_lexer *lexer)
{
    *lexer = (struct faci_lexer){.state = LEX_TYPE, .error_text = ""};
}

static enum faci_lex_token step(struct faci_lexer *lx, const unsigned char **in,
                                const unsigned char *end)
{
    switch ((enum lex_state)lx->state) {
    case LEX_TYPE:
        return on_type(lx, in);
    case LEX_NUMBER_FIRST:
        return on_number_first(lx, in);
    case LEX_MINUS:
        return on_minus(lx, in);
    case LEX_NULL_ONE:
        return on_null_one(lx, in);
    case LEX_DIGITS:
        return on_digits(lx, in, end);
    case LEX_FLAG:
        return on_flag(lx, in);
    case LEX_HEAD_CR:
        return on_head_cr(lx, in);
    case LEX_HEAD_LF:
        return on_head_lf(lx, in);
    case LEX_MARK:
        return on_mark(lx, in, end);
    case LEX_BODY:
        return on_body(lx, in, end);
    case LEX_BODY_CR:
        return on_body_cr(lx, in);
    case LEX_LINE:
        return on_line(lx, in, end);
    case LEX_BODY_LF:
    case LEX_LINE_LF:
        return on_last_lf(lx, in);
    case LEX_REFUSED:
    case LEX_OVERLONG:
    case LEX_NSTATES: /* is none; broken memory would end as a refused connection */
        break;
    }
    return refuse_line(lx);
}

enum faci_lex_token faci_lexer_next(struct faci_lexer *lexer, const unsigned char **in,
                                    const unsigned char *end)
{
    enum faci_lex_token token = FACI_LEX_MORE;
    while (token == FACI_LEX_MORE && *in < end) {
        token = step(lexer, in, end);
    }
    return token;
}
