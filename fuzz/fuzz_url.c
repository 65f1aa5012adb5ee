/* SPDX-License-Identifier: MIT */
/* Any text as a server URL: a status, never a fault; what is accepted decodes and is redacted; no
 * message shows what stood before an '@'. */
#include "base/mem.h"
#include "config/url.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "broken: %s\n", what);
        abort();
    }
}

static void decode(fac_bytes part, size_t max_bytes)
{
    if (part.data == NULL) {
        return;
    }
    char *text = faci_url_decode(&k_faci_libc, part);
    must(text != NULL, "a part decodes");
    must(strlen(text) <= part.len && strlen(text) <= max_bytes, "decoding never grows");
    faci_mem_free(&k_faci_libc, text);
}

static void check_accepted(const struct faci_url *url)
{
    char redacted[FACI_URL_REDACTED_BYTES];
    must(url->port == -1 || (url->port >= 1 && url->port <= 65535), "the port's range");
    must(url->db >= -1 && url->db <= 1000000, "the db's range");
    decode(url->username, 256);
    decode(url->password, 4096);
    if (url->scheme == FACI_URL_HTTP) {
        decode(url->path, FACI_URL_BASE_MAX_BYTES);
        must(url->host.len > 0 && url->port > 0, "a host and a port");
    } else {
        decode(url->path, 107);
        must(url->scheme == FACI_URL_MEMORY || (url->host.len > 0) != (url->path.len > 0),
             "a host or a path");
    }
    faci_url_redact(url, redacted, sizeof(redacted));
    must(strlen(redacted) < sizeof(redacted) - 1, "a redacted URL fits");
    const char *mask = strstr(redacted, "********@");
    must((mask != NULL) == (url->password.data != NULL), "userinfo is masked");
    must(strchr(redacted, '@') == (mask == NULL ? NULL : mask + 8), "one '@', the mask's");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL) {
        return 0;
    }
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    struct faci_url url;
    fac_error err = {.message = ""};
    fac_status st = faci_url_parse(text, "REDIS_URL", &url, &err);
    must(st == FAC_OK || st == FAC_E_CONFIG || st == FAC_E_UNSUPPORTED, "the statuses");
    if (st == FAC_OK) {
        check_accepted(&url);
    } else {
        must(strncmp(err.message, "REDIS_URL: ", 11) == 0, "the message names the variable");
    }
    free(text);
    return 0;
}
