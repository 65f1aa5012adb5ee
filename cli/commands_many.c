/* SPDX-License-Identifier: MIT */
/* cli/commands_many.c — the commands on any number of keys: delete, exists, clear. */
#include "input.h"
#include "output.h"
#include "session.h"

#include <inttypes.h>

enum {
    BATCH_KEYS = 64, /* one round trip each; more would only cost stack */
};

/* Delete up to BATCH_KEYS keys and count those that were there. */
static fac_status delete_batch(struct cli *cli, size_t start, size_t n, fac_status *statuses,
                               fac_error *err)
{
    fac_bytes keys[BATCH_KEYS];
    for (size_t i = 0; i < n; i++) {
        keys[i] = fac_str(cli->operands[start + i]);
    }
    fac_status st = fac_cache_delete_many(cli->cache, keys, n, NULL, statuses, err);
    for (size_t i = 0; i < n && st >= 0; i++) {
        st = statuses[i] < 0 ? statuses[i] : st;
    }
    return st;
}

int cli_run_delete(struct cli *cli)
{
    int code = cli_open(cli);
    if (code != CLI_DONE) {
        return code;
    }
    size_t n_deleted = 0;
    struct cli_json json = {0};
    for (size_t start = 0; start < cli->n_operands; start += BATCH_KEYS) {
        size_t left = cli->n_operands - start;
        size_t n = left < BATCH_KEYS ? left : BATCH_KEYS;
        fac_status statuses[BATCH_KEYS];
        fac_error err;
        if (delete_batch(cli, start, n, statuses, &err) < 0) {
            return cli_fail(cli, &err);
        }
        for (size_t i = 0; i < n; i++) {
            n_deleted += statuses[i] == FAC_OK ? 1 : 0;
        }
    }
    size_t n_missing = cli->n_operands - n_deleted;
    if (cli->is_json) {
        cli_json_open(&json, NULL, '{');
        cli_json_uint(&json, "deleted", n_deleted);
        cli_json_uint(&json, "missing", n_missing);
        cli_json_close(&json, '}');
    } else {
        cli_printf("deleted %zu of %zu\n", n_deleted, cli->n_operands);
    }
    return n_missing == 0 ? CLI_DONE : CLI_MISS;
}

static void put_exists(const struct cli *cli, const char *found, bool is_all)
{
    struct cli_json json = {0};
    if (cli->is_json) {
        cli_json_open(&json, NULL, '{');
        cli_json_bool(&json, "exists", is_all);
        cli_json_open(&json, "keys", '[');
    }
    for (size_t i = 0; i < cli->n_operands; i++) {
        if (cli->is_json) {
            cli_json_open(&json, NULL, '{');
            cli_json_string(&json, "key", cli->operands[i]);
            cli_json_bool(&json, "exists", found[i] != 0);
            cli_json_close(&json, '}');
        } else {
            cli_puts(found[i] != 0 ? "yes\t" : "no\t");
            cli_put_shown(fac_str(cli->operands[i]));
            cli_puts("\n");
        }
    }
    if (cli->is_json) {
        cli_json_close(&json, ']');
        cli_json_close(&json, '}');
    }
}

int cli_run_exists(struct cli *cli)
{
    int code = cli_open(cli);
    if (code != CLI_DONE) {
        return code;
    }
    /* Nothing is printed before the last answer is known: an error would tear the object. */
    struct cli_blob found = {0};
    if (!cli_blob_reserve(&found, cli->n_operands)) {
        cli_complain("no memory");
        return CLI_FAILED;
    }
    bool is_all = true;
    for (size_t i = 0; i < cli->n_operands; i++) {
        fac_error err;
        fac_status st = fac_cache_exists(cli->cache, fac_str(cli->operands[i]), NULL, &err);
        if (st < 0) {
            cli_blob_fini(&found);
            return cli_fail(cli, &err);
        }
        found.data[i] = st == FAC_OK;
        is_all = is_all && st == FAC_OK;
    }
    put_exists(cli, found.data, is_all);
    cli_blob_fini(&found);
    return is_all ? CLI_DONE : CLI_MISS;
}

int cli_run_clear(struct cli *cli)
{
    fac_clear_progress progress = {.size = sizeof(progress)};
    fac_error err;
    fac_status st = FAC_OK;
    uint64_t n_scanned = 0;
    if (!cli->is_confirmed) {
        return cli_usage(cli, "clear removes every key under the prefix: say --yes");
    }
    int code = cli_open(cli);
    if (code != CLI_DONE) {
        return code;
    }
    /* A large server takes many times the deadline of one call. */
    do {
        n_scanned = progress.n_scanned;
        st = fac_cache_clear(cli->cache, NULL, &progress, &err);
        if (st == FAC_E_TIMEOUT) {
            cli_progress("removed %" PRIu64 ", looked at %" PRIu64, progress.n_removed,
                         progress.n_scanned);
        }
    } while (st == FAC_E_TIMEOUT && progress.n_scanned > n_scanned);
    cli_progress("%s", "");
    if (st < 0) {
        cli_complain("%" PRIu64 " keys were removed before it failed", progress.n_removed);
        return cli_fail(cli, &err);
    }
    if (cli->is_json) {
        struct cli_json json = {0};
        cli_json_open(&json, NULL, '{');
        cli_json_uint(&json, "removed", progress.n_removed);
        cli_json_close(&json, '}');
    } else {
        cli_printf("removed %" PRIu64 "\n", progress.n_removed);
    }
    return CLI_DONE;
}
