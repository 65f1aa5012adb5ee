/* SPDX-License-Identifier: MIT */
/* config/resolve.c — the settings of one family, each looked up in one order: the option's field,
 * a part of the option's URL, then for each family that is asked (Valkey, then Redis) a part of
 * its URL and its variable, then the default. */
#include "config/resolve.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/mem.h"
#include "config/secure.h"

#include <string.h>

/* How the server is named. Decided before any setting is read, since a URL or a socket makes
 * other variables meaningless. */
struct endpoint {
    bool is_unix;
    bool reads_tcp_variables;   /* HOST and PORT count */
    bool is_level_used;         /* the URL or socket of `level` counts */
    size_t level;               /* of the level that names the endpoint */
    const struct faci_url *url; /* NULL: none */
    struct faci_url env_url;    /* what `url` points to when it is a variable's */
};

struct resolver {
    const struct faci_inputs *inputs;
    enum faci_family levels[2]; /* whose variables, the first one first */
    size_t n_levels;
    struct endpoint endpoint;
    struct faci_account *account;
    struct faci_settings *out;
    fac_error *err;
};

/* One value found. Text may be percent-encoded; then it has been checked already. */
struct found {
    struct faci_origin origin;
    fac_bytes text;
    int64_t number;
    bool is_encoded;
};

static const char *variable_of(const struct resolver *r, size_t level, enum faci_setting_id id)
{
    return k_faci_settings[id].variables[r->levels[level]];
}

static const char *env_value(const struct resolver *r, size_t level, enum faci_setting_id id)
{
    return r->inputs->env.values[r->levels[level]][id];
}

static bool option_is_set(const struct resolver *r, enum faci_setting_id id)
{
    struct faci_setting_value value;
    return faci_setting_from_options(&k_faci_settings[id], &r->inputs->options, &value);
}

/* ---- the endpoint ---- */

static fac_status refuse_both(const struct resolver *r, const char *one, const char *other)
{
    return faci_fail(r->err, FAC_E_CONFIG, 0, "%s and %s are both set: they exclude each other",
                     one, other);
}

/* Refuse a second variable beside the URL or the socket of the same family. */
static fac_status check_level_exclusive(const struct resolver *r, size_t level)
{
    static const struct {
        enum faci_setting_id one;
        enum faci_setting_id other;
    } k_pairs[] = {
        {FACI_SETTING_URL, FACI_SETTING_UNIX_SOCKET},
        {FACI_SETTING_URL, FACI_SETTING_HOST},
        {FACI_SETTING_URL, FACI_SETTING_PORT},
        {FACI_SETTING_UNIX_SOCKET, FACI_SETTING_HOST},
        {FACI_SETTING_UNIX_SOCKET, FACI_SETTING_PORT},
    };
    for (size_t i = 0; i < FACI_COUNT(k_pairs); i++) {
        if (env_value(r, level, k_pairs[i].one) != NULL &&
            env_value(r, level, k_pairs[i].other) != NULL) {
            return refuse_both(r, variable_of(r, level, k_pairs[i].one),
                               variable_of(r, level, k_pairs[i].other));
        }
    }
    return FAC_OK;
}

static fac_status parse_env_url(struct resolver *r, size_t level)
{
    struct endpoint *e = &r->endpoint;
    const char *variable = variable_of(r, level, FACI_SETTING_URL);
    fac_status st = faci_url_parse(env_value(r, level, FACI_SETTING_URL), variable, &e->env_url,
                                   r->err);
    if (st < 0) {
        return st;
    }
    if (e->env_url.scheme == FACI_URL_MEMORY) {
        return faci_fail(r->err, FAC_E_CONFIG, 0,
                         "%s: memory:// names no server; set CACHE_BACKEND to memory",
                         variable);
    }
    e->url = &e->env_url;
    e->is_unix = e->env_url.scheme == FACI_URL_UNIX;
    return FAC_OK;
}

/* The first family that names an endpoint decides; host and port alone inherit one by one. */
static fac_status decide_from_env(struct resolver *r)
{
    struct endpoint *e = &r->endpoint;
    const struct faci_env *env = &r->inputs->env;
    e->reads_tcp_variables = true;
    size_t level = 0;
    while (level < r->n_levels && !faci_env_names_endpoint(env, r->levels[level])) {
        level++;
    }
    if (level == r->n_levels) {
        return FAC_OK;
    }
    fac_status st = check_level_exclusive(r, level);
    if (st == FAC_OK && env_value(r, level, FACI_SETTING_URL) != NULL) {
        st = parse_env_url(r, level);
    } else if (env_value(r, level, FACI_SETTING_UNIX_SOCKET) != NULL) {
        e->is_unix = true;
    }
    if (st < 0) {
        return st;
    }
    /* An explicit port says TCP: a socket of the environment is then of the other kind. */
    if (e->is_unix && option_is_set(r, FACI_SETTING_PORT)) {
        e->is_unix = false;
        e->url = NULL;
        return FAC_OK;
    }
    e->level = level;
    e->is_level_used = e->is_unix || e->url != NULL;
    e->reads_tcp_variables = !e->is_level_used;
    return FAC_OK;
}

static fac_status decide_endpoint(struct resolver *r)
{
    struct endpoint *e = &r->endpoint;
    if (r->inputs->has_url) {
        e->url = &r->inputs->url;
        e->is_unix = e->url->scheme == FACI_URL_UNIX;
    } else if (option_is_set(r, FACI_SETTING_UNIX_SOCKET)) {
        e->is_unix = true;
    } else if (option_is_set(r, FACI_SETTING_HOST)) {
        e->reads_tcp_variables = true;
    } else {
        return decide_from_env(r);
    }
    if (e->is_unix && option_is_set(r, FACI_SETTING_PORT)) {
        return refuse_both(
            r, r->inputs->has_url ? "options.url with a Unix socket" : "options.unix_socket",
            "options.port");
    }
    return FAC_OK;
}

/* ---- one setting ---- */

static bool find_in_options(const struct resolver *r, enum faci_setting_id id,
                            struct found *found)
{
    struct faci_setting_value value;
    if (!faci_setting_from_options(&k_faci_settings[id], &r->inputs->options, &value)) {
        return false;
    }
    *found = (struct found){{FAC_SOURCE_OPTION, ""}, fac_str(value.text), value.number, false};
    return true;
}

static bool find_in_url(const struct faci_url *url, const char *variable,
                        enum faci_setting_id id, struct found *found)
{
    fac_bytes text = {NULL, 0};
    int64_t number = -1;
    bool is_encoded = true;
    if (id == FACI_SETTING_USERNAME) {
        text = url->username;
    } else if (id == FACI_SETTING_PASSWORD) {
        text = url->password;
    } else if (id == FACI_SETTING_UNIX_SOCKET) {
        text = url->path;
    } else if (id == FACI_SETTING_HOST) {
        text = url->host;
        is_encoded = false;
    } else if (id == FACI_SETTING_PORT) {
        number = url->port;
    } else if (id == FACI_SETTING_DB) {
        number = url->db;
    }
    if (text.data == NULL && number < 0) {
        return false;
    }
    *found = (struct found){{FAC_SOURCE_URL, variable}, text, number, is_encoded};
    return true;
}

/* Whether a family's variable of this setting counts beside the endpoint. */
static bool reads_variable(const struct endpoint *e, size_t level, enum faci_setting_id id)
{
    if (id == FACI_SETTING_HOST || id == FACI_SETTING_PORT) {
        return e->reads_tcp_variables;
    }
    if (id == FACI_SETTING_UNIX_SOCKET) {
        return e->is_level_used && e->level == level;
    }
    return true;
}

static fac_status parse_variable(const struct resolver *r, size_t level,
                                 enum faci_setting_id id, struct found *found)
{
    const char *variable = variable_of(r, level, id);
    const char *text = env_value(r, level, id);
    if (strnlen(text, FACI_ENV_VALUE_MAX_BYTES + 1) > FACI_ENV_VALUE_MAX_BYTES) {
        return faci_fail(r->err, FAC_E_CONFIG, 0, "%s: the value is longer than %d bytes",
                         variable, (int)FACI_ENV_VALUE_MAX_BYTES);
    }
    struct faci_setting_value value;
    fac_status st = faci_setting_parse(&k_faci_settings[id], text, variable, &value, r->err);
    if (st == FAC_OK) {
        *found = (struct found){
            {FAC_SOURCE_ENVIRONMENT, variable}, fac_str(value.text), value.number, false};
    }
    return st;
}

/* FAC_OK, FAC_MISS when this level has no word on the setting, or an error. */
static fac_status find_in_level(const struct resolver *r, size_t level, enum faci_setting_id id,
                                struct found *found)
{
    const struct endpoint *e = &r->endpoint;
    if (e->is_level_used && e->level == level && e->url != NULL &&
        find_in_url(e->url, variable_of(r, level, FACI_SETTING_URL), id, found)) {
        return FAC_OK;
    }
    if (env_value(r, level, id) == NULL || !reads_variable(e, level, id)) {
        return FAC_MISS;
    }
    return parse_variable(r, level, id, found);
}

/* Without a word from anybody: FAC_MISS, and `found` is the default. */
static fac_status find(const struct resolver *r, enum faci_setting_id id, struct found *found)
{
    if (find_in_options(r, id, found)) {
        return FAC_OK;
    }
    if (r->inputs->has_url && find_in_url(&r->inputs->url, "", id, found)) {
        return FAC_OK;
    }
    for (size_t level = 0; level < r->n_levels; level++) {
        fac_status st = find_in_level(r, level, id, found);
        if (st != FAC_MISS) {
            return st;
        }
    }
    const struct faci_setting_row *row = &k_faci_settings[id];
    *found = (struct found){
        {FAC_SOURCE_DEFAULT, ""}, fac_str(row->default_text), row->default_number, false};
    return FAC_MISS;
}

/* ---- storing ---- */

static void note(const struct resolver *r, enum faci_setting_id id, struct faci_origin origin)
{
    r->account->origins[id] = origin;
}

static fac_status store_secret(const struct resolver *r, const struct faci_setting_row *row,
                               const struct found *found)
{
    struct faci_secret *secret = found->is_encoded
                                     ? faci_url_decode_secret(found->text)
                                     : faci_secret_new(found->text.data, found->text.len);
    if (secret == NULL) {
        return faci_fail(r->err, FAC_E_NOMEM, 0, "out of memory");
    }
    faci_setting_to_target_secret(row, secret, r->out);
    return FAC_OK;
}

static fac_status store(const struct resolver *r, enum faci_setting_id id,
                        const struct found *found)
{
    const struct faci_setting_row *row = &k_faci_settings[id];
    note(r, id, found->origin);
    if (row->target_type != FACI_FIELD_TEXT && row->target_type != FACI_FIELD_SECRET) {
        faci_setting_to_target(row, found->number, r->out);
        return FAC_OK;
    }
    /* An empty user or password is "explicitly none". */
    bool is_none = found->text.data == NULL ||
                   (found->text.len == 0 && id != FACI_SETTING_PREFIX &&
                    id != FACI_SETTING_HOST);
    if (is_none) {
        return FAC_OK;
    }
    if (row->target_type == FACI_FIELD_SECRET) {
        return store_secret(r, row, found);
    }
    const fac_allocator *alloc = &r->inputs->alloc;
    char *copy = found->is_encoded
                     ? faci_url_decode(alloc, found->text)
                     : faci_mem_copy_string(alloc, found->text.data, found->text.len);
    if (copy == NULL) {
        return faci_fail(r->err, FAC_E_NOMEM, 0, "out of memory");
    }
    faci_setting_to_target_text(row, copy, r->out);
    return FAC_OK;
}

static fac_status resolve_one(const struct resolver *r, enum faci_setting_id id)
{
    struct found found;
    fac_status st = find(r, id, &found);
    return st < 0 ? st : store(r, id, &found);
}

/* Password and password file are one thing said in two ways: whoever says one of them first
 * silences both of all who come later. */
static fac_status resolve_password(const struct resolver *r)
{
    struct found password = {.number = 0};
    struct found file = {.number = 0};
    if (r->inputs->options.password_fn != NULL) {
        return FAC_OK; /* it silences all others */
    }
    bool has_password = find_in_options(r, FACI_SETTING_PASSWORD, &password);
    bool has_file = find_in_options(r, FACI_SETTING_PASSWORD_FILE, &file);
    if (has_password && has_file) {
        return refuse_both(r, "options.password", "options.password_file");
    }
    if (!has_password && !has_file && r->inputs->has_url) {
        has_password = find_in_url(&r->inputs->url, "", FACI_SETTING_PASSWORD, &password);
    }
    for (size_t level = 0; level < r->n_levels && !has_password && !has_file; level++) {
        if (env_value(r, level, FACI_SETTING_PASSWORD) != NULL &&
            env_value(r, level, FACI_SETTING_PASSWORD_FILE) != NULL) {
            return refuse_both(r, variable_of(r, level, FACI_SETTING_PASSWORD),
                               variable_of(r, level, FACI_SETTING_PASSWORD_FILE));
        }
        fac_status st = find_in_level(r, level, FACI_SETTING_PASSWORD, &password);
        has_password = st == FAC_OK;
        if (st == FAC_MISS) {
            st = find_in_level(r, level, FACI_SETTING_PASSWORD_FILE, &file);
            has_file = st == FAC_OK;
        }
        if (st < 0) {
            return st;
        }
    }
    if (has_password) {
        return store(r, FACI_SETTING_PASSWORD, &password);
    }
    return has_file ? store(r, FACI_SETTING_PASSWORD_FILE, &file) : FAC_OK;
}

static void note_url(const struct resolver *r)
{
    const struct endpoint *e = &r->endpoint;
    if (e->url == NULL) {
        return;
    }
    faci_url_redact(e->url, r->account->url, sizeof(r->account->url));
    struct faci_origin origin = {FAC_SOURCE_OPTION, ""};
    if (e->is_level_used) {
        origin = (struct faci_origin){FAC_SOURCE_ENVIRONMENT,
                                      variable_of(r, e->level, FACI_SETTING_URL)};
    }
    note(r, FACI_SETTING_URL, origin);
}

/* "" where a config has no host: its strings are never NULL. */
static fac_status store_no_host(const struct resolver *r)
{
    static const struct found k_no_host = {{FAC_SOURCE_DEFAULT, ""}, {"", 0}, 0, false};
    return store(r, FACI_SETTING_HOST, &k_no_host);
}

static fac_status resolve_endpoint(struct resolver *r)
{
    fac_status st = decide_endpoint(r);
    if (st < 0) {
        return st;
    }
    note_url(r);
    if (r->endpoint.is_unix) {
        st = resolve_one(r, FACI_SETTING_UNIX_SOCKET);
        return st < 0 ? st : store_no_host(r);
    }
    st = resolve_one(r, FACI_SETTING_HOST);
    return st < 0 ? st : resolve_one(r, FACI_SETTING_PORT);
}

/* What no rule of its own covers. */
static bool is_plain(enum faci_setting_id id)
{
    return id > FACI_SETTING_PORT && id != FACI_SETTING_PASSWORD &&
           id != FACI_SETTING_PASSWORD_FILE;
}

fac_status faci_settings_resolve(const struct faci_inputs *inputs, fac_provider family,
                                 struct faci_settings *out, struct faci_account *account,
                                 fac_error *err)
{
    struct faci_account own = {.url = ""}; /* who says what matters here, too */
    struct resolver r = {
        .inputs = inputs, .account = account != NULL ? account : &own, .out = out, .err = err};
    r.account->url[0] = '\0';
    for (size_t id = 0; id < FACI_SETTING_COUNT; id++) {
        /* The selection has written the provider's already. */
        if (id != FACI_SETTING_PROVIDER) {
            r.account->origins[id] = (struct faci_origin){FAC_SOURCE_DEFAULT, ""};
        }
    }
    out->family = family;
    fac_status st = FAC_OK;
    if (family == FAC_MEMORY) {
        r.levels[r.n_levels++] = FACI_FAMILY_CACHE;
        st = store_no_host(&r);
    } else {
        if (family == FAC_VALKEY) {
            r.levels[r.n_levels++] = FACI_FAMILY_VALKEY;
        }
        r.levels[r.n_levels++] = FACI_FAMILY_REDIS;
        st = resolve_endpoint(&r);
        if (st >= 0) {
            st = resolve_password(&r);
        }
    }
    for (size_t id = 0; id < FACI_SETTING_COUNT && st >= 0; id++) {
        if (is_plain((enum faci_setting_id)id)) {
            st = resolve_one(&r, (enum faci_setting_id)id);
        }
    }
    if (st >= 0 && family != FAC_MEMORY) {
        st = faci_settings_secure(inputs, r.account, r.endpoint.url, out, err);
    }
    return st < 0 ? st : FAC_OK;
}
