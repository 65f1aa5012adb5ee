/* SPDX-License-Identifier: MIT */
/* python/verbs.c — the verbs on one key. */
#include "native.h"

#include <math.h>

static const char *const k_key_default[] = {"key", "default"};
static const char *const k_key_value_ttl[] = {"key", "value", "ttl"};
static const char *const k_key_ttl[] = {"key", "ttl"};
static const char *const k_key_delta_ttl[] = {"key", "delta", "ttl"};

static struct facpy_cache *cache_of(PyObject *self)
{
    return (struct facpy_cache *)self;
}

static PyObject *new_ref(PyObject *object)
{
    Py_INCREF(object);
    return object;
}

/* True or False, or the exception. */
static PyObject *answer(struct facpy_call *c, fac_status st, fac_status yes)
{
    return st < 0 ? facpy_raise(c->self, &c->err) : new_ref(st == yes ? Py_True : Py_False);
}

PyObject *facpy_get(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const struct facpy_signature k_signature = {"get", k_key_default, 1, 2};
    PyObject *argv[2];
    PyObject *holder = NULL;
    fac_bytes key;
    struct facpy_call c;
    if (!facpy_arguments(cache_of(self), &k_signature, args, kwargs, argv) ||
        !facpy_key(cache_of(self), argv[0], &holder, &key)) {
        return NULL;
    }
    PyObject *result = NULL;
    if (facpy_enter(&c, self, false)) {
        fac_value *value = NULL;
        fac_status st = fac_cache_get(c.cache, key, &c.call, &value, &c.err);
        facpy_leave(&c, st);
        if (st == FAC_OK) {
            result = facpy_decode(c.self, fac_value_bytes(value));
            fac_value_unref(value);
        } else if (st == FAC_MISS) {
            result = new_ref(argv[1] != NULL ? argv[1] : Py_None);
        } else {
            result = facpy_raise(c.self, &c.err);
        }
    }
    Py_DECREF(holder);
    return result;
}

/* A key and what is stored under it, while a call borrows them. */
struct entry {
    PyObject *key_holder;
    PyObject *value_holder;
    fac_bytes key;
    fac_bytes value;
    int64_t ttl_ms;
};

static void end_entry(struct entry *e)
{
    Py_XDECREF(e->key_holder);
    Py_XDECREF(e->value_holder);
}

static bool begin_entry(PyObject *self, const struct facpy_signature *signature, PyObject *args,
                        PyObject *kwargs, struct entry *e)
{
    PyObject *argv[3];
    *e = (struct entry){NULL, NULL, {NULL, 0}, {NULL, 0}, 0};
    bool is_good = facpy_arguments(cache_of(self), signature, args, kwargs, argv) &&
                   facpy_key(cache_of(self), argv[0], &e->key_holder, &e->key) &&
                   facpy_ttl(cache_of(self), argv[2], &e->ttl_ms) &&
                   facpy_encode(cache_of(self), argv[1], &e->value_holder, &e->value);
    if (!is_good) {
        end_entry(e);
    }
    return is_good;
}

PyObject *facpy_set(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const struct facpy_signature k_signature = {"set", k_key_value_ttl, 2, 3};
    struct entry e;
    struct facpy_call c;
    PyObject *result = NULL;
    if (!begin_entry(self, &k_signature, args, kwargs, &e)) {
        return NULL;
    }
    if (facpy_enter(&c, self, e.value.len >= FACPY_LARGE_BYTES)) {
        fac_status st = fac_cache_set(c.cache, e.key, e.value, e.ttl_ms, &c.call, &c.err);
        facpy_leave(&c, st);
        result = answer(&c, st, FAC_OK);
    }
    end_entry(&e);
    return result;
}

PyObject *facpy_add(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const struct facpy_signature k_signature = {"add", k_key_value_ttl, 2, 3};
    struct entry e;
    struct facpy_call c;
    PyObject *result = NULL;
    if (!begin_entry(self, &k_signature, args, kwargs, &e)) {
        return NULL;
    }
    if (facpy_enter(&c, self, e.value.len >= FACPY_LARGE_BYTES)) {
        fac_status st = fac_cache_add(c.cache, e.key, e.value, e.ttl_ms, &c.call, &c.err);
        facpy_leave(&c, st);
        result = answer(&c, st, FAC_OK);
    }
    end_entry(&e);
    return result;
}

typedef fac_status key_fn(fac_cache *cache, fac_bytes key, const fac_call *call,
                          fac_error *err);

/* delete and exists: a key, and whether it was there. */
static PyObject *ask(PyObject *self, const char *verb, PyObject *args, PyObject *kwargs,
                     key_fn *fn)
{
    const struct facpy_signature signature = {verb, k_key_default, 1, 1};
    PyObject *argv[1];
    PyObject *holder = NULL;
    fac_bytes key;
    struct facpy_call c;
    if (!facpy_arguments(cache_of(self), &signature, args, kwargs, argv) ||
        !facpy_key(cache_of(self), argv[0], &holder, &key)) {
        return NULL;
    }
    PyObject *result = NULL;
    if (facpy_enter(&c, self, false)) {
        fac_status st = fn(c.cache, key, &c.call, &c.err);
        facpy_leave(&c, st);
        result = answer(&c, st, FAC_OK);
    }
    Py_DECREF(holder);
    return result;
}

PyObject *facpy_delete(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return ask(self, "delete", args, kwargs, fac_cache_delete);
}

PyObject *facpy_exists(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return ask(self, "exists", args, kwargs, fac_cache_exists);
}

PyObject *facpy_ttl_of(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const struct facpy_signature k_signature = {"ttl", k_key_default, 1, 1};
    PyObject *argv[1];
    PyObject *holder = NULL;
    fac_bytes key;
    struct facpy_call c;
    if (!facpy_arguments(cache_of(self), &k_signature, args, kwargs, argv) ||
        !facpy_key(cache_of(self), argv[0], &holder, &key)) {
        return NULL;
    }
    PyObject *result = NULL;
    if (facpy_enter(&c, self, false)) {
        int64_t ttl_ms = 0;
        fac_status st = fac_cache_ttl(c.cache, key, &c.call, &ttl_ms, &c.err);
        facpy_leave(&c, st);
        if (st == FAC_OK) {
            result = PyFloat_FromDouble(ttl_ms == FAC_TTL_NONE ? (double)INFINITY
                                                               : (double)ttl_ms / 1000.0);
        } else {
            result = st == FAC_MISS ? new_ref(Py_None) : facpy_raise(c.self, &c.err);
        }
    }
    Py_DECREF(holder);
    return result;
}

PyObject *facpy_touch(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const struct facpy_signature k_signature = {"touch", k_key_ttl, 1, 2};
    PyObject *argv[2];
    PyObject *holder = NULL;
    fac_bytes key;
    int64_t ttl_ms = 0;
    struct facpy_call c;
    if (!facpy_arguments(cache_of(self), &k_signature, args, kwargs, argv) ||
        !facpy_ttl(cache_of(self), argv[1], &ttl_ms) ||
        !facpy_key(cache_of(self), argv[0], &holder, &key)) {
        return NULL;
    }
    PyObject *result = NULL;
    if (facpy_enter(&c, self, false)) {
        fac_status st = fac_cache_touch(c.cache, key, ttl_ms, &c.call, &c.err);
        facpy_leave(&c, st);
        result = answer(&c, st, FAC_OK);
    }
    Py_DECREF(holder);
    return result;
}

/* What to add; 1 when it was left out. */
static bool take_delta(struct facpy_cache *self, PyObject *object, int64_t *out)
{
    *out = 1;
    if (object == NULL) {
        return true;
    }
    if (!PyLong_Check(object)) {
        PyErr_SetString(PyExc_TypeError, "delta must be an int");
        return false;
    }
    int overflow = 0;
    long long delta = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow != 0) {
        (void)facpy_refuse(self, FAC_E_INVALID, "delta does not fit into 64 bits");
        return false;
    }
    *out = delta;
    return true;
}

PyObject *facpy_increment(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const struct facpy_signature k_signature = {"increment", k_key_delta_ttl, 1, 3};
    PyObject *argv[3];
    PyObject *holder = NULL;
    fac_bytes key;
    int64_t delta = 0;
    int64_t ttl_ms = 0;
    struct facpy_call c;
    if (!facpy_arguments(cache_of(self), &k_signature, args, kwargs, argv) ||
        !take_delta(cache_of(self), argv[1], &delta) ||
        !facpy_ttl(cache_of(self), argv[2], &ttl_ms) ||
        !facpy_key(cache_of(self), argv[0], &holder, &key)) {
        return NULL;
    }
    PyObject *result = NULL;
    if (facpy_enter(&c, self, false)) {
        int64_t sum = 0;
        fac_status st = fac_cache_increment(c.cache, key, delta, ttl_ms, &c.call, &sum, &c.err);
        facpy_leave(&c, st);
        result = st < 0 ? facpy_raise(c.self, &c.err) : PyLong_FromLongLong(sum);
    }
    Py_DECREF(holder);
    return result;
}
