/* SPDX-License-Identifier: MIT */
/* fault/malformed.c — makes the list: a few tables, each with everything it is combined with. */
#include "fault/malformed.h"

#include "kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH = 1000000, /* of the deepest nesting */
    LINE_BYTES = 70000,
};

static void add(struct malformed_list *list, const char *why, const void *bytes, size_t len,
                bool is_cut)
{
    if (list->n == list->cap) {
        list->cap = list->cap * 2 + 256;
        list->each = realloc(list->each, list->cap * sizeof(*list->each));
    }
    unsigned char *copy = malloc(len + 1);
    if (list->each == NULL || copy == NULL) {
        abort();
    }
    memcpy(copy, bytes, len);
    list->each[list->n++] = (struct malformed){copy, len, is_cut, why};
}

static void add_text(struct malformed_list *list, const char *why, const char *text)
{
    add(list, why, text, strlen(text), false);
}

/* Alone, and as the last child of aggregates that have begun well. */
static void add_anywhere(struct malformed_list *list, const char *why, const char *text)
{
    static const char *const k_before[] = {"", "*2\r\n:1\r\n", "%1\r\n+k\r\n",
                                           "*1\r\n~1\r\n*3\r\n_\r\n#t\r\n"};
    for (size_t i = 0; i < KIT_COUNT(k_before); i++) {
        char whole[512];
        int len = snprintf(whole, sizeof(whole), "%s%s", k_before[i], text);
        add(list, why, whole, (size_t)len, false);
    }
}

/* --- The tables ------------------------------------------------------------------------------ */

static void add_type_bytes(struct malformed_list *list)
{
    static const char k_types[] = "+-:$*%~>|_#,(=!";
    static const char *const k_rests[] = {"1\r\n", "\r\n"};
    for (int byte = 0; byte < 256; byte++) {
        if (byte != 0 && strchr(k_types, byte) != NULL) {
            continue;
        }
        for (size_t i = 0; i < KIT_COUNT(k_rests); i++) {
            unsigned char bytes[8] = {(unsigned char)byte};
            memcpy(bytes + 1, k_rests[i], strlen(k_rests[i]));
            add(list, "a type byte that is none", bytes, 1 + strlen(k_rests[i]), false);
        }
    }
}

static void add_lengths(struct malformed_list *list)
{
    static const char k_types[] = "$=!*%~>|:";
    static const char *const k_numbers[] = {
        "9223372036854775808", /* one more than fits */
        "18446744073709551616",
        "99999999999999999999999999999999",
        "-9223372036854775809",
        "00",
        "05",
        "0000000000000000000000000000001",
        "+-5",
        "-0",
        "-05",
        "-",
        "+",
        "",
        " 5",
        "5 ",
        "0x5",
        "5a",
        "1e3",
        "1.0",
        "--1",
        "5\t",
        "?",
        "5\n",
    };
    /* Right for a ':', and over every limit or below zero for all others. */
    static const char *const k_limits[] = {"9223372036854775807", "9223372036854775806",
                                           "4611686018427387904", "-2",
                                           "-2147483649",         "-9223372036854775808"};
    for (const char *type = k_types; *type != '\0'; type++) {
        char text[64];
        for (size_t i = 0; i < KIT_COUNT(k_numbers); i++) {
            (void)snprintf(text, sizeof(text), "%c%s\r\n", *type, k_numbers[i]);
            add_anywhere(list, "a length or number out of form", text);
        }
        for (size_t i = 0; i < KIT_COUNT(k_limits) && *type != ':'; i++) {
            (void)snprintf(text, sizeof(text), "%c%s\r\n", *type, k_limits[i]);
            add_anywhere(list, "a length out of range", text);
        }
        /* Null has two forms of RESP2, and no other. */
        if (strchr("$*:", *type) == NULL) {
            (void)snprintf(text, sizeof(text), "%c-1\r\n", *type);
            add_anywhere(list, "a null of a type that has none", text);
        }
    }
    add_anywhere(list, "a count over the limit", "*1048577\r\n");
    add_anywhere(list, "a count over the limit", "%1048577\r\n");
    add_anywhere(list, "a string over the limit", "$67108865\r\n");
}

static void add_line_ends(struct malformed_list *list)
{
    static const char *const k_heads[] = {"+OK",
                                          "-ERR no",
                                          ":12",
                                          "$5\r\nhello",
                                          "*0",
                                          "%0",
                                          "~0",
                                          "_",
                                          "#t",
                                          "#f",
                                          ",1.5",
                                          "(12345",
                                          "=7\r\ntxt:abc",
                                          "!3\r\nERR",
                                          "*1\r\n:1",
                                          "$0\r\n",
                                          "$5",
                                          ">1\r\n+x",
                                          "|1\r\n+k\r\n+v"};
    static const char *const k_ends[] = {"\n", "\rX", "\r\r\n", "\n\r", "\r\r"};
    for (size_t i = 0; i < KIT_COUNT(k_heads); i++) {
        for (size_t k = 0; k < KIT_COUNT(k_ends); k++) {
            char text[64];
            (void)snprintf(text, sizeof(text), "%s%s", k_heads[i], k_ends[k]);
            add_anywhere(list, "a line without its end", text);
        }
    }
}

static void add_payloads(struct malformed_list *list)
{
    static const char *const k_texts[] = {
        ",\r\n",
        ",abc\r\n",
        ",1.2.3\r\n",
        ",1e\r\n",
        ",1e+\r\n",
        ",--1\r\n",
        ",+-1\r\n",
        ",infx\r\n",
        ",nanx\r\n",
        ",1,5\r\n",
        ",0x10\r\n",
        ", 1\r\n",
        ",1 \r\n",
        ",.\r\n",
        ",e5\r\n",
        ",1e5.5\r\n",
        ",-\r\n",
        ",in\r\n",
        "(\r\n",
        "(-\r\n",
        "(+\r\n",
        "(1.5\r\n",
        "(12a\r\n",
        "(--1\r\n",
        "( 1\r\n",
        "(0x1\r\n",
        "(1e5\r\n",
        "#\r\n",
        "#T\r\n",
        "#F\r\n",
        "#1\r\n",
        "#tt\r\n",
        "#true\r\n",
        "#t \r\n",
        "_x\r\n",
        "_ \r\n",
        "_-1\r\n",
        "_0\r\n",
        "__\r\n",
        "=3\r\ntxt\r\n",
        "=4\r\ntxt;\r\n",
        "=5\r\ntext:\r\n",
        "=0\r\n\r\n",
        "$5\r\nhelloo\r\n",
        "$5\r\nhell\r\n\r\n",
        "$0\r\nx\r\n",
        "!3\r\nERRR\r\n",
        "+a\nb\r\n",
        "-a\nb\r\n",
        "HTTP/1.1 400 Bad\r\n\r\n",
        "\r\n",
        "\n",
        " $1\r\na\r\n",
    };
    for (size_t i = 0; i < KIT_COUNT(k_texts); i++) {
        add_anywhere(list, "a payload out of its grammar", k_texts[i]);
    }
}

static void add_misplaced(struct malformed_list *list)
{
    static const char *const k_texts[] = {
        "*1\r\n>1\r\n+x\r\n", /* a push is nobody's child */
        "*2\r\n:1\r\n>2\r\n+x\r\n+y\r\n",
        "%1\r\n>1\r\n+x\r\n:1\r\n",
        "~1\r\n>0\r\n",
        "*1\r\n|1\r\n+k\r\n+v\r\n>1\r\n+x\r\n",
        ">1\r\n>1\r\n+x\r\n",
        "|1\r\n>1\r\n+x\r\n+v\r\n",
    };
    for (size_t i = 0; i < KIT_COUNT(k_texts); i++) {
        add_text(list, "a push or attribute in a wrong place", k_texts[i]);
    }
}

/* `unit` again and again. */
static void add_repeated(struct malformed_list *list, const char *why, const char *unit,
                         size_t times)
{
    size_t len = strlen(unit);
    unsigned char *bytes = malloc(len * times);
    if (bytes == NULL) {
        abort();
    }
    for (size_t i = 0; i < times; i++) {
        memcpy(bytes + i * len, unit, len);
    }
    add(list, why, bytes, len * times, false);
    free(bytes);
}

static void add_huge(struct malformed_list *list)
{
    static const char *const k_units[] = {
        "*1\r\n", "~1\r\n", "%1\r\n+k\r\n", "*2\r\n:1\r\n", "*1048576\r\n", "|1\r\n", "%1\r\n"};
    static const size_t k_depths[] = {33, 64, 1000, DEPTH / 10};
    for (size_t i = 0; i < KIT_COUNT(k_units); i++) {
        for (size_t k = 0; k < KIT_COUNT(k_depths); k++) {
            add_repeated(list, "nested too deeply", k_units[i], k_depths[k]);
        }
    }
    add_repeated(list, "nested too deeply", "*1\r\n", DEPTH);
    char *line = malloc(LINE_BYTES + 1);
    if (line == NULL) {
        abort();
    }
    for (const char *type = "+-,("; *type != '\0'; type++) {
        memset(line, '1', LINE_BYTES);
        line[0] = *type;
        add(list, "a line over the limit", line, LINE_BYTES, false);
    }
    free(line);
}

static void add_cut(struct malformed_list *list)
{
    static const char *const k_wholes[] = {
        "$11\r\nhello\r\nyou!\r\n",
        "+a simple string\r\n",
        ":-1234567890\r\n",
        "-ERR an error\r\n",
        "*3\r\n$1\r\na\r\n_\r\n:5\r\n",
        "%2\r\n+k\r\n#t\r\n+l\r\n,1.5e3\r\n",
        "~2\r\n(12345678901234567890\r\n=7\r\ntxt:abc\r\n",
        "!9\r\nERR error\r\n",
        "|1\r\n+k\r\n+v\r\n$1\r\na\r\n",
        ">2\r\n+invalidate\r\n*1\r\n$1\r\na\r\n$1\r\nb\r\n",
        "$-1\r\n",
        "*-1\r\n",
    };
    for (size_t i = 0; i < KIT_COUNT(k_wholes); i++) {
        for (size_t len = 0; len < strlen(k_wholes[i]); len++) {
            add(list, "the end of the connection in the middle", k_wholes[i], len, true);
        }
    }
}

void malformed_make(struct malformed_list *list)
{
    *list = (struct malformed_list){NULL, 0, 0};
    add_type_bytes(list);
    add_lengths(list);
    add_line_ends(list);
    add_payloads(list);
    add_misplaced(list);
    add_huge(list);
    add_cut(list);
}

void malformed_free(struct malformed_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->each[i].bytes);
    }
    free(list->each);
}
