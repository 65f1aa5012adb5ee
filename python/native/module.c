/* SPDX-License-Identifier: MIT */
/* python/module.c — the module faciliter_lib.cache._native: its type, its one function, the
 * numbers of the statuses. */
#include "native.h"

static bool add_object(PyObject *module, const char *name, PyObject *object)
{
    if (object == NULL || PyModule_AddObject(module, name, object) < 0) {
        Py_XDECREF(object);
        return false;
    }
    return true;
}

static bool add_statuses(PyObject *module)
{
    static const fac_status k_errors[] = {
        FAC_E_INVALID, FAC_E_CONFIG,    FAC_E_UNAVAILABLE, FAC_E_TIMEOUT,
        FAC_E_BUSY,    FAC_E_AUTH,      FAC_E_SERVER,      FAC_E_PROTOCOL,
        FAC_E_NOMEM,   FAC_E_TOO_LARGE, FAC_E_CLOSED,      FAC_E_UNSUPPORTED,
    };
    for (size_t i = 0; i < sizeof(k_errors) / sizeof(k_errors[0]); i++) {
        if (PyModule_AddIntConstant(module, fac_status_name(k_errors[i]), k_errors[i]) < 0) {
            return false;
        }
    }
    return true;
}

static int execute(PyObject *module)
{
    return add_object(module, "Cache", facpy_cache_type()) && add_statuses(module) &&
                   PyModule_AddStringConstant(module, "version", fac_version()) == 0
               ? 0
               : -1;
}

/* NOLINTBEGIN(readability-identifier-naming): the name that Python looks for. */
PyMODINIT_FUNC PyInit__native(void);

PyMODINIT_FUNC PyInit__native(void)
/* NOLINTEND(readability-identifier-naming) */
{
    static PyMethodDef functions[] = {
        {"describe", facpy_describe, METH_VARARGS, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyModuleDef_Slot slots[] = {
        {Py_mod_exec, __extension__(void *)(execute)},
        {0, NULL},
    };
    static struct PyModuleDef definition = {
        PyModuleDef_HEAD_INIT,
        .m_name = "_native",
        .m_methods = functions,
        .m_slots = slots,
    };
    return PyModuleDef_Init(&definition);
}
