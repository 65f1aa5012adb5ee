/* SPDX-License-Identifier: MIT */
/* python/call.c — from Python into the library and back: the interpreter lock, outcomes, log. */
#include "native.h"

#include <string.h>

/* --- Failures ------------------------------------------------------------------------------- */

PyObject *facpy_raise(struct facpy_cache *self, const fac_error *err)
{
    if (err->status == FAC_E_NOMEM) {
        return PyErr_NoMemory();
    }
    PyObject *exception = PyObject_CallFunction(
        facpy_hook(self, FACPY_FAIL), "iiOss", (int)err->status, err->os_errno,
        err->maybe_applied ? Py_True : Py_False, err->server_code, err->message);
    if (exception != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
    return NULL;
}

PyObject *facpy_refuse(struct facpy_cache *self, fac_status st, const char *message)
{
    fac_error err = {.status = st};
    size_t len = strnlen(message, sizeof(err.message) - 1);
    memcpy(err.message, message, len);
    return facpy_raise(self, &err);
}

/* --- The log -------------------------------------------------------------------------------- */

void facpy_log_line(void *context, fac_log_level level, const char *message)
{
    struct facpy_log *log = context;
    if (atomic_flag_test_and_set_explicit(&log->is_busy, memory_order_acquire)) {
        return; /* a lost line is better than a thread that waits, or a child of a fork for ever */
    }
    unsigned n = atomic_load_explicit(&log->n_lines, memory_order_relaxed);
    if (n < FACPY_LOG_LINES) {
        size_t len = strnlen(message, FACPY_LOG_TEXT_BYTES - 1);
        memcpy(log->lines[n].text, message, len);
        log->lines[n].text[len] = '\0';
        log->lines[n].level = level;
        atomic_store_explicit(&log->n_lines, n + 1, memory_order_relaxed);
    }
    atomic_flag_clear_explicit(&log->is_busy, memory_order_release);
}

/* Hand the lines to Python. An exception that is under way stays; one of the hook's is printed. */
static void drain_log(struct facpy_cache *self)
{
    struct facpy_log *log = &self->log;
    if (atomic_flag_test_and_set_explicit(&log->is_busy, memory_order_acquire)) {
        return;
    }
    unsigned n = atomic_load_explicit(&log->n_lines, memory_order_relaxed);
    fac_log_level levels[FACPY_LOG_LINES];
    char texts[FACPY_LOG_LINES][FACPY_LOG_TEXT_BYTES];
    for (unsigned i = 0; i < n; i++) {
        levels[i] = log->lines[i].level;
        memcpy(texts[i], log->lines[i].text, FACPY_LOG_TEXT_BYTES);
    }
    atomic_store_explicit(&log->n_lines, 0, memory_order_relaxed);
    atomic_flag_clear_explicit(&log->is_busy, memory_order_release);
    for (unsigned i = 0; i < n; i++) {
        PyObject *text = PyUnicode_DecodeUTF8(texts[i], (Py_ssize_t)strlen(texts[i]),
                                              "replace");
        PyObject *done = text == NULL ? NULL
                                      : PyObject_CallFunction(facpy_hook(self, FACPY_LOG), "iO",
                                                              (int)levels[i], text);
        if (done == NULL) {
            PyErr_WriteUnraisable((PyObject *)self);
        }
        Py_XDECREF(done);
        Py_XDECREF(text);
    }
}

/* --- In and out ----------------------------------------------------------------------------- */

bool facpy_enter(struct facpy_call *c, PyObject *self, bool is_long)
{
    c->self = (struct facpy_cache *)self;
    if (c->self->cache == NULL) {
        (void)facpy_refuse(c->self, FAC_E_CLOSED, "the cache is closed");
        return false;
    }
    uint32_t deadline_ms = 0;
    if (c->self->is_down && c->self->is_quick && c->self->timeout_ms > FACPY_HEAL_MS) {
        deadline_ms = FACPY_HEAL_MS;
    }
    c->call = fac_call_within(deadline_ms);
    c->cache = fac_cache_ref(c->self->cache);
    c->thread = is_long || !c->self->is_memory ? PyEval_SaveThread() : NULL;
    return true;
}

void facpy_leave(struct facpy_call *c, fac_status st)
{
    fac_cache_unref(c->cache);
    if (c->thread != NULL) {
        PyEval_RestoreThread(c->thread); /* does not return once the interpreter is gone */
    }
    struct facpy_cache *self = c->self;
    if (st >= 0 || st == FAC_E_SERVER) {
        self->is_reached = true;
        self->is_down = false;
    } else if (st == FAC_E_UNAVAILABLE || (st == FAC_E_TIMEOUT && !self->is_reached)) {
        self->is_down = true;
    }
    if (atomic_load_explicit(&self->log.n_lines, memory_order_relaxed) > 0) {
        drain_log(self);
    }
}
