/* SPDX-License-Identifier: MIT */
/* cli/commands_key.c — the commands on one key: get, set, add, ttl, touch, increment. */
#include "input.h"
#include "number.h"
#include "output.h"
#include "session.h"

#include <inttypes.h>
#include <string.h>

/* The value to store: the second operand, or standard input when it is "-" or absent. */
static int value_of(const struct cli *cli, struct cli_blob *blob, fac_bytes *out)
{
    if (cli->n_operands > 1 && strcmp(cli->operands[1], "-") != 0) {
        *out = fac_str(cli->operands[1]);
        return CLI_DONE;
    }
    int code = cli_blob_read_input(blob);
    *out = fac_mem(blob->data, blob->len);
    return code;
}

/* {"key":…,"<name>":<what>} */
static void put_answer(const struct cli *cli, const char *name, bool what)
{
    if (!cli->is_json) {
        return;
    }
    struct cli_json json = {0};
    cli_json_open(&json, NULL, '{');
    cli_json_string(&json, "key", cli->operands[0]);
    cli_json_bool(&json, name, what);
    cli_json_close(&json, '}');
}

static void put_value(const struct cli *cli, fac_bytes value)
{
    if (cli->is_json) {
        struct cli_json json = {0};
        cli_json_open(&json, NULL, '{');
        cli_json_string(&json, "key", cli->operands[0]);
        cli_json_bool(&json, "found", true);
        cli_json_bytes(&json, "value", value);
        cli_json_close(&json, '}');
        return;
    }
    cli_put(value.data, value.len);
    if (cli_is_output_terminal()) {
        cli_puts("\n");
    }
}

int cli_run_get(struct cli *cli)
{
    int code = cli_open(cli);
    if (code != CLI_DONE) {
        return code;
    }
    fac_value *value = NULL;
    fac_error err;
    fac_status st = fac_cache_get(cli->cache, fac_str(cli->operands[0]), NULL, &value, &err);
    if (st < 0) {
        return cli_fail(cli, &err);
    }
    if (st == FAC_MISS) {
        put_answer(cli, "found", false);
        cli_remark_miss(cli);
        return CLI_MISS;
    }
    put_value(cli, fac_value_bytes(value));
    fac_value_unref(value);
    return CLI_DONE;
}

int cli_run_set(struct cli *cli)
{
    struct cli_blob blob = {0};
    fac_bytes value;
    int code = value_of(cli, &blob, &value);
    if (code == CLI_DONE) {
        code = cli_open(cli);
    }
    if (code == CLI_DONE) {
        fac_error err;
        fac_bytes key = fac_str(cli->operands[0]);
        if (fac_cache_set(cli->cache, key, value, cli->ttl_ms, NULL, &err) < 0) {
            code = cli_fail(cli, &err);
        } else {
            put_answer(cli, "stored", true);
        }
    }
    cli_blob_fini(&blob);
    return code;
}

int cli_run_add(struct cli *cli)
{
    struct cli_blob blob = {0};
    fac_bytes value;
    int code = value_of(cli, &blob, &value);
    if (code == CLI_DONE) {
        code = cli_open(cli);
    }
    if (code == CLI_DONE) {
        fac_error err;
        fac_bytes key = fac_str(cli->operands[0]);
        fac_status st = fac_cache_add(cli->cache, key, value, cli->ttl_ms, NULL, &err);
        if (st < 0) {
            code = cli_fail(cli, &err);
        } else {
            put_answer(cli, "stored", st == FAC_OK);
            code = cli_exit_of(st);
        }
        if (st == FAC_EXISTS) {
            cli_remark("it exists already; nothing was stored");
        }
    }
    cli_blob_fini(&blob);
    return code;
}

int cli_run_ttl(struct cli *cli)
{
    int code = cli_open(cli);
    if (code != CLI_DONE) {
        return code;
    }
    int64_t ttl_ms = 0;
    fac_error err;
    fac_status st = fac_cache_ttl(cli->cache, fac_str(cli->operands[0]), NULL, &ttl_ms, &err);
    if (st < 0) {
        return cli_fail(cli, &err);
    }
    if (st == FAC_MISS) {
        put_answer(cli, "found", false);
        cli_remark_miss(cli);
        return CLI_MISS;
    }
    if (cli->is_json) {
        struct cli_json json = {0};
        cli_json_open(&json, NULL, '{');
        cli_json_string(&json, "key", cli->operands[0]);
        cli_json_bool(&json, "found", true);
        if (ttl_ms == FAC_TTL_NONE) {
            cli_json_null(&json, "ttl_ms");
        } else {
            cli_json_int(&json, "ttl_ms", ttl_ms);
        }
        cli_json_close(&json, '}');
    } else if (ttl_ms == FAC_TTL_NONE) {
        cli_puts("none\n");
    } else {
        cli_printf("%" PRId64 ".%03d\n", ttl_ms / 1000, (int)(ttl_ms % 1000));
    }
    return CLI_DONE;
}

int cli_run_touch(struct cli *cli)
{
    int code = cli_open(cli);
    if (code != CLI_DONE) {
        return code;
    }
    fac_error err;
    fac_status st = fac_cache_touch(cli->cache, fac_str(cli->operands[0]), cli->ttl_ms, NULL,
                                    &err);
    if (st < 0) {
        return cli_fail(cli, &err);
    }
    put_answer(cli, "found", st == FAC_OK);
    if (st == FAC_MISS) {
        cli_remark_miss(cli);
    }
    return cli_exit_of(st);
}

int cli_run_increment(struct cli *cli)
{
    int64_t delta = 1;
    if (cli->n_operands > 1 && !cli_number_i64(cli->operands[1], &delta)) {
        return cli_usage(cli, "DELTA must be a whole number of 64 bits, not \"%s\"",
                         cli->operands[1]);
    }
    int code = cli_open(cli);
    if (code != CLI_DONE) {
        return code;
    }
    int64_t number = 0;
    fac_error err;
    if (fac_cache_increment(cli->cache, fac_str(cli->operands[0]), delta, cli->ttl_ms, NULL,
                            &number, &err) < 0) {
        return cli_fail(cli, &err);
    }
    if (cli->is_json) {
        struct cli_json json = {0};
        cli_json_open(&json, NULL, '{');
        cli_json_string(&json, "key", cli->operands[0]);
        cli_json_int(&json, "number", number);
        cli_json_close(&json, '}');
    } else {
        cli_printf("%" PRId64 "\n", number);
    }
    return CLI_DONE;
}
