/* SPDX-License-Identifier: MIT */
/* cli/json_check.c — a strict judge of the command's JSON (RFC 8259): standard input must be one
 * object on one line and nothing else: valid UTF-8, no member twice, no depth without end. Each
 * argument `path=text` names a member ("settings.0.name") and the very text its value must have;
 * `path` alone must be there, `!path` must not. Shares no code with the writer. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 16,
    PATH_MAX_BYTES = 1024,
};

struct judge {
    const unsigned char *start;
    const unsigned char *at;
    const unsigned char *end;
    unsigned depth;
    char path[PATH_MAX_BYTES]; /* of the value at `at` */

    /* What is looked for, and its text when it was found. */
    const char *wanted;
    const unsigned char *found;
    size_t found_len;
};

static bool judge_value(struct judge *judge);

static void refuse(const struct judge *judge, const char *why)
{
    (void)fprintf(stderr, "json_check: byte %ld, in \"%s\": %s\n",
                  (long)(judge->at - judge->start), judge->path, why);
    exit(1); /* NOLINT(concurrency-mt-unsafe): there is one thread */
}

static bool is_next(const struct judge *judge, char byte)
{
    return judge->at < judge->end && *judge->at == (unsigned char)byte;
}

static void expect(struct judge *judge, const char *text)
{
    for (; *text != '\0'; text++) {
        if (!is_next(judge, *text)) {
            refuse(judge, "another token was expected");
        }
        judge->at++;
    }
}

static bool is_digit(const struct judge *judge)
{
    return judge->at < judge->end && *judge->at >= '0' && *judge->at <= '9';
}

static void judge_digits(struct judge *judge)
{
    if (!is_digit(judge)) {
        refuse(judge, "a digit was expected");
    }
    while (is_digit(judge)) {
        judge->at++;
    }
}

static void judge_number(struct judge *judge)
{
    if (is_next(judge, '-')) {
        judge->at++;
    }
    bool is_zero = is_next(judge, '0');
    const unsigned char *digits = judge->at;
    judge_digits(judge);
    if (is_zero && judge->at - digits > 1) {
        refuse(judge, "a leading zero");
    }
    if (is_next(judge, '.')) {
        judge->at++;
        judge_digits(judge);
    }
    if (is_next(judge, 'e') || is_next(judge, 'E')) {
        judge->at++;
        if (is_next(judge, '+') || is_next(judge, '-')) {
            judge->at++;
        }
        judge_digits(judge);
    }
}

static unsigned hex_unit(struct judge *judge)
{
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        static const char k_digits[32] = {"0123456789abcdef0123456789ABCDEF"};
        const char *digit = judge->at < judge->end
                                ? memchr(k_digits, *judge->at, sizeof(k_digits))
                                : NULL;
        if (digit == NULL) {
            refuse(judge, "four hexadecimal digits were expected");
            return 0;
        }
        unit = unit * 16 + (unsigned)((digit - k_digits) % 16);
        judge->at++;
    }
    return unit;
}

static void judge_escape(struct judge *judge)
{
    judge->at++; /* the backslash */
    if (judge->at == judge->end || strchr("\"\\/bfnrtu", *judge->at) == NULL ||
        *judge->at == 0) {
        refuse(judge, "an unknown escape");
    }
    if (*judge->at++ != 'u') {
        return;
    }
    unsigned unit = hex_unit(judge);
    if (unit >= 0xdc00 && unit <= 0xdfff) {
        refuse(judge, "a low surrogate alone");
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        expect(judge, "\\u");
        unit = hex_unit(judge);
        if (unit < 0xdc00 || unit > 0xdfff) {
            refuse(judge, "a high surrogate alone");
        }
    }
}

/* One character beyond ASCII, decoded by arithmetic and then judged by its number. */
static void judge_utf8(struct judge *judge)
{
    static const unsigned long k_least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = *judge->at;
    unsigned len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    unsigned long point = first & (0xffU >> (len + 1));
    if (first < 0xc0 || first >= 0xf8 || (size_t)(judge->end - judge->at) < len) {
        refuse(judge, "a byte that starts no UTF-8 character");
    }
    for (unsigned i = 1; i < len; i++) {
        if ((judge->at[i] & 0xc0) != 0x80) {
            refuse(judge, "a UTF-8 character that does not go on");
        }
        point = point << 6 | (judge->at[i] & 0x3fU);
    }
    if (point < k_least[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        refuse(judge, "a UTF-8 form that is not allowed");
    }
    judge->at += len;
}

static void judge_string(struct judge *judge)
{
    expect(judge, "\"");
    while (!is_next(judge, '"')) {
        if (judge->at == judge->end || *judge->at < 0x20) {
            refuse(judge, "a string without an end, or a control character in it");
        } else if (*judge->at == '\\') {
            judge_escape(judge);
        } else if (*judge->at >= 0x80) {
            judge_utf8(judge);
        } else {
            judge->at++;
        }
    }
    judge->at++;
}

/* Go down by one name; returns the length of the path to come back to. */
static size_t go_down(struct judge *judge, const char *name, size_t len)
{
    size_t before = strlen(judge->path);
    if (before + len + 2 > sizeof(judge->path)) {
        refuse(judge, "a path that is too long for this program");
    }
    (void)snprintf(judge->path + before, sizeof(judge->path) - before, "%s%.*s",
                   before == 0 ? "" : ".", (int)len, name);
    return before;
}

static void judge_member(struct judge *judge)
{
    const unsigned char *name = judge->at;
    judge_string(judge);
    size_t len = (size_t)(judge->at - name) - 2;
    expect(judge, ":");
    size_t before = go_down(judge, (const char *)name + 1, len);
    judge_value(judge);
    judge->path[before] = '\0';
}

/* The members of the object that starts here must differ: compares each name with those before. */
static void judge_object(struct judge *judge)
{
    const unsigned char *names[64];
    size_t lens[64];
    size_t n = 0;
    judge->at++;
    while (!is_next(judge, '}')) {
        if (n > 0) {
            expect(judge, ",");
        }
        if (n == sizeof(names) / sizeof(names[0])) {
            refuse(judge, "more members than this program allows");
        }
        names[n] = judge->at;
        judge_member(judge);
        lens[n] = strcspn((const char *)names[n] + 1, "\"");
        for (size_t i = 0; i < n; i++) {
            if (lens[i] == lens[n] && memcmp(names[i], names[n], lens[n] + 1) == 0) {
                refuse(judge, "a member twice");
            }
        }
        n++;
    }
    judge->at++;
}

static void judge_array(struct judge *judge)
{
    judge->at++;
    for (size_t n = 0; !is_next(judge, ']'); n++) {
        char name[24];
        if (n > 0) {
            expect(judge, ",");
        }
        (void)snprintf(name, sizeof(name), "%zu", n);
        size_t before = go_down(judge, name, strlen(name));
        judge_value(judge);
        judge->path[before] = '\0';
    }
    judge->at++;
}

static void judge_by_first_byte(struct judge *judge)
{
    if (is_next(judge, '{')) {
        judge_object(judge);
    } else if (is_next(judge, '[')) {
        judge_array(judge);
    } else if (is_next(judge, '"')) {
        judge_string(judge);
    } else if (is_next(judge, 't')) {
        expect(judge, "true");
    } else if (is_next(judge, 'f')) {
        expect(judge, "false");
    } else if (is_next(judge, 'n')) {
        expect(judge, "null");
    } else {
        judge_number(judge);
    }
}

static bool judge_value(struct judge *judge)
{
    const unsigned char *start = judge->at;
    if (++judge->depth > DEPTH_MAX) {
        refuse(judge, "nested too deep");
    }
    judge_by_first_byte(judge);
    judge->depth--;
    if (judge->wanted != NULL && judge->found == NULL &&
        strcmp(judge->path, judge->wanted) == 0) {
        judge->found = start;
        judge->found_len = (size_t)(judge->at - start);
    }
    return judge->found != NULL;
}

/* The whole input, looking for `wanted` on the way. */
static void judge_all(struct judge *judge, const char *wanted)
{
    judge->at = judge->start;
    judge->depth = 0;
    judge->path[0] = '\0';
    judge->wanted = wanted;
    judge->found = NULL;
    if (!is_next(judge, '{')) {
        refuse(judge, "an object was expected");
    }
    (void)judge_value(judge);
    expect(judge, "\n");
    if (judge->at != judge->end) {
        refuse(judge, "something behind the object's line");
    }
}

static bool demand(struct judge *judge, const char *argument)
{
    char wanted[PATH_MAX_BYTES];
    bool is_absent = argument[0] == '!';
    const char *path = is_absent ? argument + 1 : argument;
    size_t len = strcspn(path, "=");
    (void)snprintf(wanted, sizeof(wanted), "%.*s", (int)len, path);
    judge_all(judge, wanted);
    if (judge->found == NULL || is_absent) {
        bool is_as_wanted = is_absent && judge->found == NULL;
        if (!is_as_wanted) {
            (void)fprintf(stderr, "json_check: \"%s\" %s\n", wanted,
                          is_absent ? "is there" : "is not there");
        }
        return is_as_wanted;
    }
    if (path[len] == '\0') {
        return true;
    }
    const char *text = path + len + 1;
    if (strlen(text) == judge->found_len && memcmp(text, judge->found, judge->found_len) == 0) {
        return true;
    }
    (void)fprintf(stderr, "json_check: \"%s\" is %.*s, not %s\n", wanted,
                  judge->found_len > 200 ? 200 : (int)judge->found_len,
                  (const char *)judge->found, text);
    return false;
}

int main(int argc, char **argv)
{
    size_t len = 0;
    size_t cap = 1 << 16;
    unsigned char *text = malloc(cap + 1);
    while (text != NULL) {
        size_t n = fread(text + len, 1, cap - len, stdin);
        len += n;
        if (n == 0) {
            break;
        }
        if (len == cap) {
            unsigned char *more = realloc(text, 2 * cap + 1);
            if (more == NULL) {
                break;
            }
            text = more;
            cap *= 2;
        }
    }
    if (text == NULL || !feof(stdin)) {
        (void)fprintf(stderr, "json_check: cannot read the input\n");
        return 1;
    }
    text[len] = '\0';
    struct judge judge = {.start = text, .end = text + len};
    judge_all(&judge, NULL);
    bool is_good = true;
    for (int i = 1; i < argc; i++) {
        is_good = demand(&judge, argv[i]) && is_good;
    }
    free(text);
    return is_good ? 0 : 1;
}
