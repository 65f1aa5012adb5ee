/* SPDX-License-Identifier: MIT */
/* python/convert.c — arguments, keys, values and times to live, between Python and bytes.
 *
 * A value is stored as the JSON that json.dumps() makes of it. Bytes are stored behind one 0xFF,
 * which no UTF-8 text, hence no JSON text, begins with. What is neither was written by another
 * program, and comes out as the bytes it is. */
#include "native.h"

#include <math.h>
#include <string.h>

enum {
    BYTES_MARK = 0xFF,
};

/* --- Arguments ------------------------------------------------------------------------------ */

bool facpy_is_initialised(const struct facpy_cache *self)
{
    if (self->hooks == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the cache object was not initialised");
        return false;
    }
    return true;
}

static Py_ssize_t index_of(const struct facpy_signature *s, PyObject *name)
{
    Py_ssize_t i = 0;
    while (i < s->n_names && PyUnicode_CompareWithASCIIString(name, s->names[i]) != 0) {
        i++;
    }
    return i;
}

static bool take_keywords(const struct facpy_signature *s, PyObject *kwargs, PyObject **argv)
{
    Py_ssize_t at = 0;
    PyObject *name = NULL;
    PyObject *value = NULL;
    while (PyDict_Next(kwargs, &at, &name, &value)) {
        Py_ssize_t i = index_of(s, name);
        if (i == s->n_names || argv[i] != NULL) {
            PyErr_Format(PyExc_TypeError,
                         i == s->n_names ? "%s() got an unexpected keyword argument '%U'"
                                         : "%s() got multiple values for argument '%U'",
                         s->verb, name);
            return false;
        }
        argv[i] = value;
    }
    return true;
}

bool facpy_arguments(const struct facpy_cache *self, const struct facpy_signature *signature,
                     PyObject *args, PyObject *kwargs, PyObject **argv)
{
    if (!facpy_is_initialised(self)) {
        return false;
    }
    Py_ssize_t n = PyTuple_Size(args);
    if (n > signature->n_names) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)",
                     signature->verb, signature->n_names, n);
        return false;
    }
    for (Py_ssize_t i = 0; i < signature->n_names; i++) {
        argv[i] = i < n ? PyTuple_GetItem(args, i) : NULL;
    }
    if (kwargs != NULL && !take_keywords(signature, kwargs, argv)) {
        return false;
    }
    for (Py_ssize_t i = 0; i < signature->n_required; i++) {
        if (argv[i] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'",
                         signature->verb, signature->names[i]);
            return false;
        }
    }
    return true;
}

/* PyErr_Format() of 3.9 has no way to print the name of a type. */
static bool refuse_type(const char *what, PyObject *object)
{
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, "%s, not %U", what, name);
        Py_DECREF(name);
    }
    return false;
}

static fac_bytes bytes_of(PyObject *object)
{
    return fac_mem(PyBytes_AsString(object), (size_t)PyBytes_Size(object));
}

bool facpy_key(struct facpy_cache *self, PyObject *key, PyObject **holder, fac_bytes *out)
{
    if (!PyUnicode_Check(key)) {
        return refuse_type("a key must be a str", key);
    }
    *holder = PyUnicode_AsUTF8String(key);
    if (*holder == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            (void)facpy_refuse(self, FAC_E_INVALID, "the key holds a lone surrogate: no UTF-8");
        }
        return false;
    }
    *out = bytes_of(*holder);
    return true;
}

static bool refuse_ttl(struct facpy_cache *self)
{
    (void)facpy_refuse(self, FAC_E_INVALID,
                       "a time to live is 0.001 seconds to ten years, or None: no expiry");
    return false;
}

bool facpy_ttl(struct facpy_cache *self, PyObject *ttl, int64_t *out_ms)
{
    if (ttl == NULL || ttl == facpy_hook(self, FACPY_CONFIGURED)) {
        *out_ms = FAC_TTL_DEFAULT;
        return true;
    }
    if (ttl == Py_None) {
        *out_ms = FAC_TTL_NONE;
        return true;
    }
    if (PyBool_Check(ttl) || (!PyLong_Check(ttl) && !PyFloat_Check(ttl))) {
        return refuse_type("ttl must be seconds as int or float, or None", ttl);
    }
    double seconds = PyFloat_AsDouble(ttl);
    if (seconds == -1.0 && PyErr_Occurred() != NULL) {
        PyErr_Clear(); /* an int too large for a float */
        return refuse_ttl(self);
    }
    /* The library has the last word on the range; what is not positive, or no number, never gets
     * there, where two numbers below zero have a meaning. */
    double ms = floor(seconds * 1000.0 + 0.5);
    if (!(ms >= 1.0 && ms <= 1e15)) {
        return refuse_ttl(self);
    }
    *out_ms = (int64_t)ms;
    return true;
}

/* --- Values --------------------------------------------------------------------------------- */

static PyObject *mark_bytes(PyObject *value)
{
    Py_ssize_t len = PyBytes_Size(value);
    PyObject *marked = PyBytes_FromStringAndSize(NULL, len + 1);
    if (marked != NULL) {
        char *to = PyBytes_AsString(marked);
        to[0] = (char)BYTES_MARK;
        memcpy(to + 1, PyBytes_AsString(value), (size_t)len);
    }
    return marked;
}

static PyObject *zero(void)
{
    return PyLong_FromLong(0); /* one of the small ints that Python keeps: no allocation */
}

static PyObject *json_text(struct facpy_cache *self, PyObject *value)
{
    PyObject *nothing = zero();
    PyObject *parts = PyObject_CallFunctionObjArgs(facpy_hook(self, FACPY_ENCODE), value,
                                                   nothing, (PyObject *)NULL);
    Py_XDECREF(nothing);
    if (parts == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_RecursionError)) {
            return NULL;
        }
        /* json.dumps() tells a circle from what is deep. */
        PyErr_Clear();
        return PyObject_CallFunctionObjArgs(facpy_hook(self, FACPY_DUMPS), value,
                                            (PyObject *)NULL);
    }
    PyObject *empty = PyUnicode_FromStringAndSize(NULL, 0);
    PyObject *text = empty == NULL ? NULL : PyUnicode_Join(empty, parts);
    Py_XDECREF(empty);
    Py_DECREF(parts);
    return text;
}

bool facpy_encode(struct facpy_cache *self, PyObject *value, PyObject **holder, fac_bytes *out)
{
    if (PyBytes_Check(value)) {
        *holder = mark_bytes(value);
    } else {
        PyObject *text = json_text(self, value);
        *holder = text == NULL ? NULL : PyUnicode_AsUTF8String(text);
        Py_XDECREF(text);
    }
    if (*holder == NULL) {
        return false;
    }
    *out = bytes_of(*holder);
    return true;
}

/* Whether the exception says "this is no JSON"; it is cleared then. */
static bool is_no_json(void)
{
    if (PyErr_ExceptionMatches(PyExc_ValueError) ||
        PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();
        return true;
    }
    return false;
}

/* What SCAN found, when the JSON is the whole text; NULL without an exception when it is not. */
static PyObject *whole_value(PyObject *text, PyObject *scanned)
{
    PyObject *value = NULL;
    if (PyTuple_Check(scanned) && PyTuple_Size(scanned) == 2) {
        Py_ssize_t end = PyLong_AsSsize_t(PyTuple_GetItem(scanned, 1));
        if (end == PyUnicode_GetLength(text)) {
            value = PyTuple_GetItem(scanned, 0);
            Py_INCREF(value);
        }
    }
    return value;
}

/* NULL without an exception: no JSON. */
static PyObject *json_value(struct facpy_cache *self, PyObject *text)
{
    PyObject *nothing = zero();
    PyObject *scanned = PyObject_CallFunctionObjArgs(facpy_hook(self, FACPY_SCAN), text,
                                                     nothing, (PyObject *)NULL);
    Py_XDECREF(nothing);
    PyObject *value = NULL;
    if (scanned != NULL) {
        value = whole_value(text, scanned);
        Py_DECREF(scanned);
    } else if (!is_no_json()) {
        return NULL;
    }
    if (value == NULL && PyErr_Occurred() == NULL) {
        value = PyObject_CallFunctionObjArgs(facpy_hook(self, FACPY_LOADS), text,
                                             (PyObject *)NULL);
        if (value == NULL) {
            (void)is_no_json();
        }
    }
    return value;
}

static PyObject *as_bytes(fac_bytes stored)
{
    return PyBytes_FromStringAndSize(stored.data, (Py_ssize_t)stored.len);
}

PyObject *facpy_decode(struct facpy_cache *self, fac_bytes stored)
{
    if (stored.len > 0 && *(const unsigned char *)stored.data == BYTES_MARK) {
        return as_bytes(fac_mem((const char *)stored.data + 1, stored.len - 1));
    }
    PyObject *text = PyUnicode_DecodeUTF8(stored.data, (Py_ssize_t)stored.len, NULL);
    PyObject *value = text == NULL ? NULL : json_value(self, text);
    Py_XDECREF(text);
    if (value != NULL) {
        return value;
    }
    if (PyErr_Occurred() == NULL || is_no_json()) {
        return as_bytes(stored);
    }
    if (PyErr_ExceptionMatches(PyExc_RecursionError)) {
        PyErr_Clear(); /* whoever wrote it decides how deep it is: no bug of this program */
        return facpy_refuse(self, FAC_E_TOO_LARGE,
                            "the stored JSON is nested deeper than this interpreter allows");
    }
    return NULL;
}
