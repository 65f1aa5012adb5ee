/* SPDX-License-Identifier: MIT */
/* python/native.h — the extension type behind the Python classes, and what its files share.
 *
 * Design notes. Everything in a `struct facpy_cache` is guarded by the interpreter lock, but for
 * `log`, which the library fills on any thread without it. The lock is given up around every
 * call that may wait for a server, or take long; a call on the memory backend for one key takes
 * less time than giving the lock up does, so it is kept there. No function of the library ever
 * calls back into Python, so who holds the lock may wait for a lock of the library.
 *
 * A call holds a reference of its own on the fac_cache while it runs, so close() and _open() may
 * replace it at any time; it gives that up before it asks for the interpreter lock again, since a
 * thread that outlives the interpreter never gets it. The public headers are all that is used. */
#ifndef FACPY_NATIVE_H
#define FACPY_NATIVE_H

/* From 3.9 on, one binary for every CPython. */
#define Py_LIMITED_API 0x03090000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <faciliter/cache.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What _open() is given of Python's: one tuple, in this order. */
enum facpy_hook {
    FACPY_ENCODE,     /* (value, 0) -> strings that together are its JSON */
    FACPY_DUMPS,      /* value -> its JSON: the slow way, for what ENCODE cannot tell */
    FACPY_SCAN,       /* (text, 0) -> (value, where its JSON ends) */
    FACPY_LOADS,      /* text -> value: the slow way */
    FACPY_FAIL,       /* (status, os_errno, maybe_applied, server_code, message) -> exception */
    FACPY_LOG,        /* (level, message) */
    FACPY_CONFIGURED, /* what a time to live is that was left out */
    FACPY_N_HOOKS
};

enum {
    FACPY_LOG_LINES = 8,        /* kept until Python takes them; what is more is dropped */
    FACPY_LOG_TEXT_BYTES = 256, /* a longer line is cut */
    FACPY_HEAL_MS = 250,       /* what one call spends on a server that was down a moment ago */
    FACPY_LARGE_BYTES = 65536, /* from here on copying takes longer than the lock's hand-over */
};

/* Lines of the library's log. Whoever finds it busy drops the line instead of waiting. */
struct facpy_log {
    atomic_flag is_busy;
    atomic_uint n_lines;
    struct {
        fac_log_level level;
        char text[FACPY_LOG_TEXT_BYTES];
    } lines[FACPY_LOG_LINES];
};

struct facpy_cache {
    PyObject_HEAD         /**/
        fac_cache *cache; /* NULL before _open(), and after close() */
    PyObject *hooks;      /* NULL before _open() */
    bool is_memory;
    bool is_quick;   /* calls on a server that is down take FACPY_HEAL_MS at most */
    bool is_down;    /* the last answer was FAC_E_UNAVAILABLE */
    bool is_reached; /* there was another answer */
    uint32_t timeout_ms;
    struct facpy_log log;
};

/* Borrowed. Only after _open(). */
static inline PyObject *facpy_hook(const struct facpy_cache *self, enum facpy_hook which)
{
    return PyTuple_GetItem(self->hooks, (Py_ssize_t)which);
}

/* --- type.c --------------------------------------------------------------------------------- */

/* The type `Cache`, as a new reference. */
PyObject *facpy_cache_type(void);

/* Options from a tuple of (name, text) pairs of bytes without a NUL, which has to outlive them.
 * False with an exception, or with `err`. */
bool facpy_options_fill(PyObject *settings, fac_options *options, fac_error *err);

/* --- call.c: from Python into the library and back ------------------------------------------ */

struct facpy_call {
    struct facpy_cache *self;
    fac_cache *cache; /* a reference of the call's */
    fac_call call;
    fac_error err;
    PyThreadState *thread; /* NULL: the interpreter lock was kept */
};

/* Begin. `is_long`: gives the interpreter lock up even for the memory backend. False, with an
 * exception, when the cache is not open. */
bool facpy_enter(struct facpy_call *c, PyObject *self, bool is_long);

/* The last use of the library in this call is over. Notes the outcome. */
void facpy_leave(struct facpy_call *c, fac_status st);

/* Raise what `err` says. @return NULL. */
PyObject *facpy_raise(struct facpy_cache *self, const fac_error *err);

/* As facpy_raise(), of a failure that this side found. */
PyObject *facpy_refuse(struct facpy_cache *self, fac_status st, const char *message);

/* fac_options.log; `context` is a struct facpy_log. Any thread, without the interpreter lock. */
void facpy_log_line(void *context, fac_log_level level, const char *message);

/* --- convert.c: arguments and values -------------------------------------------------------- */

/* What a verb takes: names, of which the first `n_required` must be there. */
struct facpy_signature {
    const char *verb;
    const char *const *names;
    Py_ssize_t n_required;
    Py_ssize_t n_names;
};

/* Whether _open() was called, which the other functions here rely on. Raises when not. */
bool facpy_is_initialised(const struct facpy_cache *self);

/* Borrowed arguments in `argv`; NULL for what was left out. The first thing that a verb does: it
 * refuses an object that was not initialised, too. */
bool facpy_arguments(const struct facpy_cache *self, const struct facpy_signature *signature,
                     PyObject *args, PyObject *kwargs, PyObject **argv);

/* The bytes of a key; `*holder` is a new reference that keeps them. */
bool facpy_key(struct facpy_cache *self, PyObject *key, PyObject **holder, fac_bytes *out);

/* What is stored of a value, in the same way. */
bool facpy_encode(struct facpy_cache *self, PyObject *value, PyObject **holder, fac_bytes *out);

/* The value that was stored, as a new reference. */
PyObject *facpy_decode(struct facpy_cache *self, fac_bytes stored);

/* A time to live in milliseconds. `ttl` may be NULL: left out. */
bool facpy_ttl(struct facpy_cache *self, PyObject *ttl, int64_t *out_ms);

/* --- verbs.c, many.c, report.c -------------------------------------------------------------- */

PyObject *facpy_get(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_set(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_add(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_delete(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_exists(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_ttl_of(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_touch(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_increment(PyObject *self, PyObject *args, PyObject *kwargs);

PyObject *facpy_get_many(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_set_many(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_delete_many(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *facpy_clear(PyObject *self, PyObject *unused);

PyObject *facpy_connect(PyObject *self, PyObject *unused);
PyObject *facpy_health(PyObject *self, PyObject *unused);
PyObject *facpy_stats(PyObject *self, PyObject *unused);
PyObject *facpy_describe(PyObject *module, PyObject *args);

#endif
