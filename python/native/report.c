/* SPDX-License-Identifier: MIT */
/* python/report.c — health, counters and settings, as dicts and tuples. */
#include "native.h"

#include <stddef.h>
#include <string.h>

enum field_kind {
    FIELD_U64,
    FIELD_U32,
    FIELD_BOOL,
    FIELD_TEXT,
    FIELD_BREAKER,
    FIELD_PROVIDER,
};

/* How a field of a public struct is called in Python. */
struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
};

#define HEALTH(field, kind)                       \
    {                                             \
#        field, kind, offsetof(fac_health, field) \
    }
#define STATS(field, kind)                       \
    {                                            \
#        field, kind, offsetof(fac_stats, field) \
    }

static const struct field k_health[] = {
    HEALTH(is_healthy, FIELD_BOOL),       HEALTH(is_second_choice, FIELD_BOOL),
    HEALTH(provider, FIELD_PROVIDER),     HEALTH(server, FIELD_TEXT),
    HEALTH(version, FIELD_TEXT),          HEALTH(role, FIELD_TEXT),
    HEALTH(endpoint, FIELD_TEXT),         HEALTH(protocol, FIELD_U32),
    HEALTH(latency_us, FIELD_U64),        HEALTH(connections_open, FIELD_U32),
    HEALTH(connections_idle, FIELD_U32),  HEALTH(max_connections, FIELD_U32),
    HEALTH(breaker_state, FIELD_BREAKER),
};

static const struct field k_stats[] = {
    STATS(hits, FIELD_U64),
    STATS(misses, FIELD_U64),
    STATS(sets, FIELD_U64),
    STATS(deletes, FIELD_U64),
    STATS(errors, FIELD_U64),
    STATS(timeouts, FIELD_U64),
    STATS(retries, FIELD_U64),
    STATS(connects, FIELD_U64),
    STATS(connect_failures, FIELD_U64),
    STATS(disconnects, FIELD_U64),
    STATS(connections_open, FIELD_U32),
    STATS(connections_idle, FIELD_U32),
    STATS(calls_in_flight, FIELD_U32),
    STATS(calls_waiting, FIELD_U32),
    STATS(memory_entries, FIELD_U64),
    STATS(memory_bytes, FIELD_U64),
    STATS(memory_evicted, FIELD_U64),
    STATS(memory_expired, FIELD_U64),
    STATS(late_replies, FIELD_U64),
    STATS(batches, FIELD_U64),
    STATS(batched_calls, FIELD_U64),
    STATS(reconnects, FIELD_U64),
    STATS(breaker_opens, FIELD_U64),
    STATS(breaker_refusals, FIELD_U64),
    STATS(connections_connecting, FIELD_U32),
    STATS(connections_exclusive, FIELD_U32),
    STATS(breaker_state, FIELD_BREAKER),
    STATS(latency_count, FIELD_U64),
    STATS(latency_p50_us, FIELD_U64),
    STATS(latency_p90_us, FIELD_U64),
    STATS(latency_p99_us, FIELD_U64),
    STATS(latency_p999_us, FIELD_U64),
    STATS(latency_max_us, FIELD_U64),
};

static const char *breaker_name(fac_breaker_state state)
{
    static const char *const k_names[] = {
        [FAC_BREAKER_CLOSED] = "closed",
        [FAC_BREAKER_OPEN] = "open",
        [FAC_BREAKER_PROBING] = "probing",
    };
    size_t n = sizeof(k_names) / sizeof(k_names[0]);
    return (size_t)state < n ? k_names[state] : "";
}

static const char *provider_name(fac_provider provider)
{
    static const char *const k_names[] = {
        [FAC_PROVIDER_INHERIT] = "", [FAC_AUTO] = "auto",     [FAC_REDIS] = "redis",
        [FAC_VALKEY] = "valkey",     [FAC_MEMORY] = "memory",
    };
    size_t n = sizeof(k_names) / sizeof(k_names[0]);
    return (size_t)provider < n ? k_names[provider] : "";
}

static PyObject *field_value(const struct field *field, const void *base)
{
    const void *at = (const char *)base + field->offset;
    switch (field->kind) {
    case FIELD_U64:
        return PyLong_FromUnsignedLongLong(*(const uint64_t *)at);
    case FIELD_U32:
        return PyLong_FromUnsignedLong(*(const uint32_t *)at);
    case FIELD_BOOL:
        return PyBool_FromLong(*(const bool *)at);
    case FIELD_TEXT:
        return PyUnicode_DecodeUTF8(at, (Py_ssize_t)strlen(at), "replace");
    case FIELD_BREAKER:
        return PyUnicode_FromString(breaker_name(*(const fac_breaker_state *)at));
    case FIELD_PROVIDER:
        return PyUnicode_FromString(provider_name(*(const fac_provider *)at));
    }
    return NULL;
}

/* Takes `value`. */
static bool put(PyObject *dict, const char *name, PyObject *value)
{
    bool is_done = value != NULL && PyDict_SetItemString(dict, name, value) == 0;
    Py_XDECREF(value);
    return is_done;
}

static PyObject *fields_dict(const struct field *fields, size_t n, const void *base)
{
    PyObject *dict = PyDict_New();
    bool is_good = dict != NULL;
    for (size_t i = 0; is_good && i < n; i++) {
        is_good = put(dict, fields[i].name, field_value(&fields[i], base));
    }
    if (!is_good) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* --- Methods of a cache --------------------------------------------------------------------- */

PyObject *facpy_connect(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct facpy_call c;
    fac_health health;
    if (!facpy_is_initialised((struct facpy_cache *)self) || !facpy_enter(&c, self, false)) {
        return NULL;
    }
    fac_status st = fac_cache_health(c.cache, &c.call, &health, sizeof(health), &c.err);
    facpy_leave(&c, st);
    return st < 0 ? facpy_raise(c.self, &c.err)
                  : PyUnicode_FromString(provider_name(health.provider));
}

PyObject *facpy_health(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct facpy_call c;
    fac_health health = {.is_healthy = false};
    if (!facpy_is_initialised((struct facpy_cache *)self) || !facpy_enter(&c, self, false)) {
        return NULL;
    }
    fac_status st = fac_cache_health(c.cache, &c.call, &health, sizeof(health), &c.err);
    facpy_leave(&c, st);
    PyObject *dict = fields_dict(k_health, sizeof(k_health) / sizeof(k_health[0]), &health);
    if (dict != NULL &&
        !put(dict, "error", PyUnicode_FromString(st < 0 ? c.err.message : ""))) {
        Py_CLEAR(dict);
    }
    return dict;
}

PyObject *facpy_stats(PyObject *self, PyObject *unused)
{
    (void)unused;
    struct facpy_cache *cache = (struct facpy_cache *)self;
    fac_stats stats;
    fac_error err;
    if (!facpy_is_initialised((struct facpy_cache *)self)) {
        return NULL;
    }
    if (cache->cache == NULL) {
        return facpy_refuse(cache, FAC_E_CLOSED, "the cache is closed");
    }
    /* It never blocks, and says nothing of the server: no facpy_enter(). */
    fac_status st = fac_cache_stats(cache->cache, NULL, &stats, sizeof(stats), &err);
    return st < 0 ? facpy_raise(cache, &err)
                  : fields_dict(k_stats, sizeof(k_stats) / sizeof(k_stats[0]), &stats);
}

/* --- Settings ------------------------------------------------------------------------------- */

struct listing {
    PyObject *list; /* NULL after a failure, with its exception */
};

static void on_setting(void *context, const fac_setting *setting)
{
    static const char *const k_sources[] = {
        [FAC_SOURCE_DEFAULT] = "default",
        [FAC_SOURCE_ENVIRONMENT] = "environment",
        [FAC_SOURCE_OPTION] = "option",
        [FAC_SOURCE_URL] = "url",
    };
    struct listing *listing = context;
    if (listing->list == NULL) {
        return;
    }
    PyObject *row = Py_BuildValue("(sssss)", setting->name, setting->value,
                                  k_sources[setting->source], setting->variable, setting->help);
    if (row == NULL || PyList_Append(listing->list, row) < 0) {
        Py_CLEAR(listing->list);
    }
    Py_XDECREF(row);
}

/* describe(settings, ignore_environment) -> [(name, value, source, variable, help)], or the
 * pair (status, message) of what is wrong with them. */
PyObject *facpy_describe(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *settings = NULL;
    int ignore_environment = 0;
    fac_options options;
    fac_error err;
    if (!PyArg_ParseTuple(args, "Op", &settings, &ignore_environment)) {
        return NULL;
    }
    fac_options_init(&options);
    options.ignore_environment = ignore_environment != 0;
    struct listing listing = {PyList_New(0)};
    if (listing.list == NULL) {
        return NULL;
    }
    bool is_good = facpy_options_fill(settings, &options, &err) &&
                   fac_options_describe(&options, on_setting, &listing, &err) == FAC_OK;
    if (is_good || listing.list == NULL) {
        return listing.list;
    }
    Py_DECREF(listing.list);
    return PyErr_Occurred() != NULL ? NULL
                                    : Py_BuildValue("(is)", (int)err.status, err.message);
}
