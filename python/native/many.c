/* SPDX-License-Identifier: MIT */
/* python/many.c — the verbs on many keys, and clear. */
#include "native.h"

static const char *const k_keys[] = {"keys"};
static const char *const k_mapping_ttl[] = {"mapping", "ttl"};

/* What a batch lends to the library: places for n of each, and the objects that keep the bytes. */
struct batch {
    struct facpy_cache *self;
    PyObject *objects; /* the caller's: keys, or (key, value) pairs */
    PyObject **holders;
    size_t n_holders;
    size_t n;
    fac_bytes *keys;
    fac_item *items;
    fac_value **values;
    fac_status *statuses;
};

static void end_batch(struct batch *b)
{
    for (size_t i = 0; i < b->n_holders; i++) {
        Py_DECREF(b->holders[i]);
    }
    if (b->values != NULL) {
        for (size_t i = 0; i < b->n; i++) {
            fac_value_unref(b->values[i]);
        }
    }
    PyMem_Free(b->holders);
    PyMem_Free(b->keys);
    PyMem_Free(b->items);
    PyMem_Free(b->values);
    PyMem_Free(b->statuses);
    Py_XDECREF(b->objects);
}

/* Zeroed places; at least one, so that NULL always means no memory. */
static void *places(size_t n, size_t bytes)
{
    void *block = PyMem_Calloc(n > 0 ? n : 1, bytes);
    if (block == NULL) {
        (void)PyErr_NoMemory();
    }
    return block;
}

/* Takes `objects`, a list. On false, nothing is left to end. */
static bool begin_batch(struct batch *b, PyObject *self, PyObject *objects,
                        size_t n_holders_each)
{
    *b = (struct batch){.self = (struct facpy_cache *)self, .objects = objects};
    if (objects == NULL) {
        return false;
    }
    b->n = (size_t)PyList_Size(objects);
    b->holders = places(b->n * n_holders_each, sizeof(PyObject *));
    b->statuses = places(b->n, sizeof(fac_status));
    if (b->holders == NULL || b->statuses == NULL) {
        end_batch(b);
        return false;
    }
    for (size_t i = 0; i < b->n; i++) {
        b->statuses[i] = FAC_E_INVALID; /* a batch that is too long is refused as a whole */
    }
    return true;
}

static bool hold_key(struct batch *b, PyObject *key, fac_bytes *out)
{
    if (!facpy_key(b->self, key, &b->holders[b->n_holders], out)) {
        return false;
    }
    b->n_holders++;
    return true;
}

/* A list of the keys. A str is an iterable of strs, and never meant. */
static bool begin_keys(struct batch *b, PyObject *self, const char *verb, PyObject *args,
                       PyObject *kwargs)
{
    const struct facpy_signature signature = {verb, k_keys, 1, 1};
    PyObject *argv[1];
    if (!facpy_arguments((struct facpy_cache *)self, &signature, args, kwargs, argv)) {
        return false;
    }
    if (PyUnicode_Check(argv[0]) || PyBytes_Check(argv[0])) {
        PyErr_Format(PyExc_TypeError, "%s() takes an iterable of keys, not one key", verb);
        return false;
    }
    if (!begin_batch(b, self, PySequence_List(argv[0]), 1)) {
        return false;
    }
    b->keys = places(b->n, sizeof(fac_bytes));
    bool is_good = b->keys != NULL;
    for (size_t i = 0; is_good && i < b->n; i++) {
        is_good = hold_key(b, PyList_GetItem(b->objects, (Py_ssize_t)i), &b->keys[i]);
    }
    if (!is_good) {
        end_batch(b);
    }
    return is_good;
}

/* The exception of a batch that did not fully succeed; what did is its attribute `partial`. */
static PyObject *raise_partial(struct batch *b, const fac_error *err, PyObject *partial)
{
    PyObject *type = NULL;
    PyObject *value = NULL;
    PyObject *traceback = NULL;
    (void)facpy_raise(b->self, err);
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value == NULL || PyObject_SetAttrString(value, "partial", partial) < 0) {
        PyErr_Clear();
    }
    PyErr_Restore(type, value, traceback);
    Py_DECREF(partial);
    return NULL;
}

/* `result` when every item has its answer, else the exception of the failure that `err` tells. Takes
 * `result`. */
static PyObject *end_many(struct batch *b, fac_status st, fac_error *err, PyObject *result)
{
    for (size_t i = 0; st >= 0 && i < b->n; i++) {
        if (b->statuses[i] < 0) {
            st = b->statuses[i];
        }
    }
    if (result != NULL && st < 0) {
        result = raise_partial(b, err, result);
    }
    end_batch(b);
    return result;
}

/* How many items were answered with FAC_OK. */
static PyObject *count_ok(const struct batch *b)
{
    size_t n_ok = 0;
    for (size_t i = 0; i < b->n; i++) {
        n_ok += b->statuses[i] == FAC_OK;
    }
    return PyLong_FromSize_t(n_ok);
}

/* Put the value of item `i`, if it has one, under its key. */
static bool put_found(struct batch *b, size_t i, PyObject *found)
{
    if (b->statuses[i] != FAC_OK) {
        return true;
    }
    PyObject *key = PyList_GetItem(b->objects, (Py_ssize_t)i);
    PyObject *value = facpy_decode(b->self, fac_value_bytes(b->values[i]));
    bool is_done = value != NULL && PyDict_SetItem(found, key, value) == 0;
    Py_XDECREF(value);
    return is_done;
}

static PyObject *found_values(struct batch *b)
{
    PyObject *found = PyDict_New();
    bool is_good = found != NULL;
    for (size_t i = 0; is_good && i < b->n; i++) {
        is_good = put_found(b, i, found);
    }
    if (!is_good) {
        Py_CLEAR(found);
    }
    return found;
}

PyObject *facpy_get_many(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct batch b;
    struct facpy_call c;
    if (!begin_keys(&b, self, "get_many", args, kwargs)) {
        return NULL;
    }
    b.values = places(b.n, sizeof(fac_value *));
    if (b.values == NULL || !facpy_enter(&c, self, true)) {
        end_batch(&b);
        return NULL;
    }
    fac_status st = fac_cache_get_many(c.cache, b.keys, b.n, &c.call, b.values, b.statuses,
                                       &c.err);
    facpy_leave(&c, st);
    return end_many(&b, st, &c.err, found_values(&b));
}

PyObject *facpy_delete_many(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct batch b;
    struct facpy_call c;
    if (!begin_keys(&b, self, "delete_many", args, kwargs)) {
        return NULL;
    }
    if (!facpy_enter(&c, self, true)) {
        end_batch(&b);
        return NULL;
    }
    fac_status st = fac_cache_delete_many(c.cache, b.keys, b.n, &c.call, b.statuses, &c.err);
    facpy_leave(&c, st);
    return end_many(&b, st, &c.err, count_ok(&b));
}

static bool hold_item(struct batch *b, PyObject *pair, int64_t ttl_ms, fac_item *item)
{
    if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2) {
        PyErr_SetString(PyExc_TypeError, "set_many() takes a mapping of keys to values");
        return false;
    }
    item->ttl_ms = ttl_ms;
    if (!hold_key(b, PyTuple_GetItem(pair, 0), &item->key) ||
        !facpy_encode(b->self, PyTuple_GetItem(pair, 1), &b->holders[b->n_holders],
                      &item->value)) {
        return false;
    }
    b->n_holders++;
    return true;
}

/* Everything is encoded before anything is sent: a value of a wrong type stores none of them. */
static bool begin_items(struct batch *b, PyObject *self, PyObject *args, PyObject *kwargs)
{
    static const struct facpy_signature k_signature = {"set_many", k_mapping_ttl, 1, 2};
    PyObject *argv[2];
    int64_t ttl_ms = 0;
    if (!facpy_arguments((struct facpy_cache *)self, &k_signature, args, kwargs, argv) ||
        !facpy_ttl((struct facpy_cache *)self, argv[1], &ttl_ms) ||
        !begin_batch(b, self, PyMapping_Items(argv[0]), 2)) {
        return false;
    }
    b->items = places(b->n, sizeof(fac_item));
    bool is_good = b->items != NULL;
    for (size_t i = 0; is_good && i < b->n; i++) {
        is_good = hold_item(b, PyList_GetItem(b->objects, (Py_ssize_t)i), ttl_ms, &b->items[i]);
    }
    if (!is_good) {
        end_batch(b);
    }
    return is_good;
}

PyObject *facpy_set_many(PyObject *self, PyObject *args, PyObject *kwargs)
{
    struct batch b;
    struct facpy_call c;
    if (!begin_items(&b, self, args, kwargs)) {
        return NULL;
    }
    if (!facpy_enter(&c, self, true)) {
        end_batch(&b);
        return NULL;
    }
    fac_status st = fac_cache_set_many(c.cache, b.items, b.n, &c.call, b.statuses, &c.err);
    facpy_leave(&c, st);
    return end_many(&b, st, &c.err, count_ok(&b));
}

PyObject *facpy_clear(PyObject *self, PyObject *unused)
{
    (void)unused;
    fac_clear_progress progress = {.size = sizeof(progress)};
    uint64_t n_seen = 0;
    fac_status st = FAC_E_TIMEOUT;
    struct facpy_call c;
    if (!facpy_is_initialised((struct facpy_cache *)self)) {
        return NULL;
    }
    /* One deadline is a step, not the whole way: on while steps get ahead, and nobody hits ^C. */
    while (st == FAC_E_TIMEOUT) {
        if (!facpy_enter(&c, self, true)) {
            return NULL;
        }
        st = fac_cache_clear(c.cache, &c.call, &progress, &c.err);
        facpy_leave(&c, st);
        if (st == FAC_E_TIMEOUT && progress.n_scanned == n_seen) {
            break;
        }
        n_seen = progress.n_scanned;
        if (st == FAC_E_TIMEOUT && PyErr_CheckSignals() < 0) {
            return NULL;
        }
    }
    return st < 0 ? facpy_raise(c.self, &c.err)
                  : PyLong_FromUnsignedLongLong(progress.n_removed);
}
