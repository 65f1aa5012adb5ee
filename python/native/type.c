/* SPDX-License-Identifier: MIT */
/* python/type.c — the type `Cache`: opening and closing a handle, and the end of an object. */
#include "native.h"

#include <stdlib.h>
#include <string.h>

static struct facpy_cache *cache_of(PyObject *self)
{
    return (struct facpy_cache *)self;
}

/* --- Opening and closing -------------------------------------------------------------------- */

bool facpy_options_fill(PyObject *settings, fac_options *options, fac_error *err)
{
    Py_ssize_t n = PyTuple_Check(settings) ? PyTuple_Size(settings) : 0;
    bool is_good = PyTuple_Check(settings);
    for (Py_ssize_t i = 0; is_good && i < n; i++) {
        PyObject *pair = PyTuple_GetItem(settings, i);
        PyObject *name = PyTuple_Check(pair) ? PyTuple_GetItem(pair, 0) : NULL;
        PyObject *text = name != NULL ? PyTuple_GetItem(pair, 1) : NULL;
        is_good = text != NULL && PyBytes_Check(name) && PyBytes_Check(text);
        if (is_good &&
            fac_options_set(options, PyBytes_AsString(name), PyBytes_AsString(text), err) < 0) {
            return false;
        }
    }
    if (!is_good) {
        PyErr_SetString(PyExc_TypeError, "settings must be a tuple of pairs of bytes");
    }
    return is_good;
}

/* Of the effective settings those that calls depend on. */
struct effective {
    bool is_memory;
    uint32_t timeout_ms;
};

static void on_setting(void *context, const fac_setting *setting)
{
    struct effective *effective = context;
    if (strcmp(setting->name, "provider") == 0) {
        effective->is_memory = strcmp(setting->value, "memory") == 0;
    } else if (strcmp(setting->name, "timeout") == 0) {
        effective->timeout_ms = (uint32_t)(strtod(setting->value, NULL) * 1000.0);
    }
}

/* _open(settings, ignore_environment, hooks): a new handle, without connecting, instead of the one
 * before. Calls in flight finish on that one. */
static PyObject *open_handle(PyObject *self, PyObject *args)
{
    struct facpy_cache *cache = cache_of(self);
    PyObject *settings = NULL;
    PyObject *hooks = NULL;
    int ignore_environment = 0;
    if (!PyArg_ParseTuple(args, "OpO!", &settings, &ignore_environment, &PyTuple_Type,
                          &hooks)) {
        return NULL;
    }
    if (PyTuple_Size(hooks) != FACPY_N_HOOKS) {
        PyErr_SetString(PyExc_TypeError, "the number of hooks is wrong");
        return NULL;
    }
    PyObject *old_hooks = cache->hooks;
    Py_INCREF(hooks);
    cache->hooks = hooks;
    Py_XDECREF(old_hooks);

    fac_options options;
    fac_error err;
    fac_cache *opened = NULL;
    struct effective effective = {false, 0};
    fac_options_init(&options);
    options.ignore_environment = ignore_environment != 0;
    options.open = FAC_OPEN_LAZY;
    options.log = facpy_log_line;
    options.log_context = &cache->log;
    if (!facpy_options_fill(settings, &options, &err) ||
        fac_options_describe(&options, on_setting, &effective, &err) < 0 ||
        fac_cache_open(&options, &opened, &err) < 0) {
        return PyErr_Occurred() != NULL ? NULL : facpy_raise(cache, &err);
    }
    fac_cache *before = cache->cache;
    cache->cache = opened;
    cache->is_memory = effective.is_memory;
    cache->timeout_ms = effective.timeout_ms;
    cache->is_down = false;
    cache->is_reached = false;
    fac_cache_unref(before);
    Py_RETURN_NONE;
}

static PyObject *close_handle(PyObject *self, PyObject *unused)
{
    (void)unused;
    fac_cache *cache = cache_of(self)->cache;
    cache_of(self)->cache = NULL;
    fac_cache_close(cache);
    Py_RETURN_NONE;
}

static PyObject *set_quick(PyObject *self, PyObject *arg)
{
    int is_quick = PyObject_IsTrue(arg);
    if (is_quick < 0) {
        return NULL;
    }
    cache_of(self)->is_quick = is_quick != 0;
    Py_RETURN_NONE;
}

static PyObject *get_is_open(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(cache_of(self)->cache != NULL);
}

static PyObject *get_is_reached(PyObject *self, void *unused)
{
    (void)unused;
    return PyBool_FromLong(cache_of(self)->is_reached);
}

/* --- The life of an object ------------------------------------------------------------------ */

static PyObject *new_cache(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    (void)args;
    (void)kwargs;
    PyObject *self = PyType_GenericNew(type, NULL, NULL); /* zeroed */
    if (self != NULL) {
        atomic_flag_clear(&cache_of(self)->log.is_busy);
    }
    return self;
}

static int traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT((PyObject *)Py_TYPE(self));
    Py_VISIT(cache_of(self)->hooks);
    return 0;
}

/* Only what can be part of a circle; who calls a method after this gets an exception. */
static int clear(PyObject *self)
{
    Py_CLEAR(cache_of(self)->hooks);
    return 0;
}

static void dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)clear(self);
    fac_cache_unref(cache_of(self)->cache);
    freefunc release = NULL;
    void *slot = PyType_GetSlot(type, Py_tp_free);
    memcpy(&release, &slot, sizeof(release));
    release(self);
    Py_DECREF(type);
}

/* --- The type ------------------------------------------------------------------------------- */

/* Functions of several kinds are kept in one table: Python's way, which ISO C has no word for. */
#define KEYWORDS(f) (PyCFunction)(void (*)(void))(f), METH_VARARGS | METH_KEYWORDS
#define SLOT(f)     __extension__(void *)(f)

PyObject *facpy_cache_type(void)
{
    static PyMethodDef methods[] = {
        {"get", KEYWORDS(facpy_get),
         "get(key, default=None)\n\nThe value; `default` when there is none."},
        {"set", KEYWORDS(facpy_set), "set(key, value, ttl=CONFIGURED)\n\nStore a value. True."},
        {"add", KEYWORDS(facpy_add),
         "add(key, value, ttl=CONFIGURED)\n\nStore a value only when the key is absent. Whether it did."},
        {"delete", KEYWORDS(facpy_delete),
         "delete(key)\n\nRemove a key. Whether it was there."},
        {"exists", KEYWORDS(facpy_exists), "exists(key)\n\nWhether a key is there."},
        {"ttl", KEYWORDS(facpy_ttl_of),
         "ttl(key)\n\nSeconds a key has left; inf: no expiry; None: not there."},
        {"touch", KEYWORDS(facpy_touch),
         "touch(key, ttl=CONFIGURED)\n\nGive a key a new time to live. Whether it is there."},
        {"increment", KEYWORDS(facpy_increment),
         "increment(key, delta=1, ttl=CONFIGURED)\n\nAdd to a whole number, atomically. The sum."},
        {"get_many", KEYWORDS(facpy_get_many), "get_many(keys)\n\nA dict of those found."},
        {"set_many", KEYWORDS(facpy_set_many),
         "set_many(mapping, ttl=CONFIGURED)\n\nStore all. How many."},
        {"delete_many", KEYWORDS(facpy_delete_many),
         "delete_many(keys)\n\nRemove keys. How many were there."},
        {"clear", facpy_clear, METH_NOARGS,
         "clear()\n\nRemove every key under the prefix. How many."},
        {"stats", facpy_stats, METH_NOARGS,
         "stats()\n\nCounters since it was opened, as a dict."},
        {"_open", open_handle, METH_VARARGS, NULL},
        {"_close", close_handle, METH_NOARGS, NULL},
        {"_connect", facpy_connect, METH_NOARGS, NULL},
        {"_health", facpy_health, METH_NOARGS, NULL},
        {"_set_quick", set_quick, METH_O, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyGetSetDef getters[] = {
        {"_is_open", get_is_open, NULL, NULL, NULL},
        {"_is_reached", get_is_reached, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    PyType_Slot slots[] = {
        {Py_tp_new, SLOT(new_cache)},
        {Py_tp_dealloc, SLOT(dealloc)},
        {Py_tp_traverse, SLOT(traverse)},
        {Py_tp_clear, SLOT(clear)},
        {Py_tp_methods, methods},
        {Py_tp_getset, getters},
        {0, NULL},
    };
    PyType_Spec spec = {
        .name = "faciliter_lib.cache._native.Cache",
        .basicsize = (int)sizeof(struct facpy_cache),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };
    return PyType_FromSpec(&spec);
}
