/* SPDX-License-Identifier: MIT */
/* tools/settings_doc.c — writes the settings table into the pages that show it, between their two
 * markers, so that no page can say what settings.def does not. Not installed.
 *
 *   settings_doc PAGE          replace the table in the page
 *   settings_doc --check PAGE  exit 1 when it would change
 *
 * Pages that end in .md get a Markdown table, all others man macros. */
#include "config/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGE_MAX_BYTES = 256 * 1024
};

struct page_kind {
    const char *begin; /* the line in front of the table */
    const char *end;   /* the line behind it */
    void (*row)(FILE *out, const struct faci_setting_row *row, const char *range,
                const char *value);
    const char *head;
};

static void print_variables(FILE *out, const struct faci_setting_row *row, const char *before,
                            const char *after, const char *between)
{
    const char *separator = "";
    for (size_t family = 0; family < FACI_FAMILY_COUNT; family++) {
        if (row->variables[family] != NULL) {
            (void)fprintf(out, "%s%s%s%s", separator, before, row->variables[family], after);
            separator = between;
        }
    }
}

static void print_man_row(FILE *out, const struct faci_setting_row *row, const char *range,
                          const char *value)
{
    (void)fputs(".TP\n.BR ", out);
    print_variables(out, row, "", "", " \", \" ");
    (void)fprintf(out, "\n%s\nAllowed: %s.\n", row->help, range);
    if (value[0] == '\0') {
        (void)fputs("Not set by default.\n", out);
    } else {
        (void)fprintf(out, "Default:\n.IR %s .\n", value);
    }
    (void)fprintf(out, "Setting\n.BR %s .\n", row->name);
}

static void print_markdown_row(FILE *out, const struct faci_setting_row *row, const char *range,
                               const char *value)
{
    (void)fprintf(out, "| `%s` | ", row->name);
    print_variables(out, row, "`", "`", " ");
    if (value[0] == '\0') {
        (void)fputs(" | none", out);
    } else {
        (void)fprintf(out, " | `%s`", value);
    }
    (void)fprintf(out, " | %s | %s |\n", range, row->help);
}

static const struct page_kind k_man = {
    .begin = ".\\\" settings: begin\n",
    .end = ".\\\" settings: end\n",
    .row = print_man_row,
    .head = "",
};

static const struct page_kind k_markdown = {
    .begin = "<!-- settings: begin -->\n",
    .end = "<!-- settings: end -->\n",
    .row = print_markdown_row,
    .head = "\n| setting | environment | default | allowed | what it is |\n"
            "|---|---|---|---|---|\n",
};

static void print_table(FILE *out, const struct page_kind *kind)
{
    (void)fputs(kind->head, out);
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        const struct faci_setting_row *row = &k_faci_settings[id];
        char range[FACI_SETTING_RANGE_BYTES];
        char number[FACI_SETTING_TEXT_BYTES];
        const char *value = row->default_text != NULL ? row->default_text : "";
        faci_setting_range(row, range, sizeof(range));
        if (row->option_type != FACI_FIELD_TEXT) {
            faci_setting_format(row, row->default_number, number, sizeof(number));
            value = number;
        }
        kind->row(out, row, range, value);
    }
    if (kind == &k_markdown) {
        (void)fputs("\n", out);
    }
}

/* NULL after a complaint; else the caller frees it. */
static char *read_page(const char *path)
{
    FILE *in = fopen(path, "rb");
    char *text = calloc(1, PAGE_MAX_BYTES + 1);
    if (in == NULL || text == NULL) {
        (void)fprintf(stderr, "settings_doc: cannot read %s\n", path);
        if (in != NULL) {
            (void)fclose(in);
        }
        free(text);
        return NULL;
    }
    size_t len = fread(text, 1, PAGE_MAX_BYTES, in);
    (void)fclose(in);
    if (len == PAGE_MAX_BYTES) {
        (void)fprintf(stderr, "settings_doc: %s is too long\n", path);
        free(text);
        return NULL;
    }
    return text;
}

/* The page with a fresh table, which the caller frees; NULL after a complaint. */
static char *renew(const char *path, const char *text)
{
    size_t path_len = strlen(path);
    bool is_markdown = path_len > 3 && strcmp(path + path_len - 3, ".md") == 0;
    const struct page_kind *kind = is_markdown ? &k_markdown : &k_man;
    const char *begin = strstr(text, kind->begin);
    const char *end = begin != NULL ? strstr(begin, kind->end) : NULL;
    if (end == NULL) {
        (void)fprintf(stderr, "settings_doc: %s lacks its two markers\n", path);
        return NULL;
    }
    begin += strlen(kind->begin);
    char *page = NULL;
    size_t page_len = 0;
    FILE *out = open_memstream(&page, &page_len);
    if (out == NULL) {
        (void)fprintf(stderr, "settings_doc: out of memory\n");
        return NULL;
    }
    (void)fwrite(text, 1, (size_t)(begin - text), out);
    print_table(out, kind);
    (void)fputs(end, out);
    if (fclose(out) != 0) {
        (void)fprintf(stderr, "settings_doc: out of memory\n");
        free(page);
        return NULL;
    }
    return page;
}

static int write_page(const char *path, const char *page)
{
    FILE *out = fopen(path, "wb");
    if (out == NULL || fputs(page, out) < 0 || fclose(out) != 0) {
        (void)fprintf(stderr, "settings_doc: cannot write %s\n", path);
        return 2;
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool is_check = argc > 1 && strcmp(argv[1], "--check") == 0;
    if (argc != (is_check ? 3 : 2)) {
        (void)fprintf(stderr, "usage: settings_doc [--check] PAGE\n");
        return 2;
    }
    const char *path = argv[argc - 1];
    char *text = read_page(path);
    char *page = text != NULL ? renew(path, text) : NULL;
    bool is_current = page != NULL && strcmp(text, page) == 0;
    int status = 0;
    if (page == NULL) {
        status = 2;
    } else if (!is_current && is_check) {
        (void)fprintf(stderr, "%s does not show settings.def: run settings_doc %s\n", path,
                      path);
        status = 1;
    } else if (!is_current) {
        status = write_page(path, page);
    }
    free(page);
    free(text);
    return status;
}
