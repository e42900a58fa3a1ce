/* What the two files of the C extension share. */
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

PyObject *fastpath_ring_into(PyObject *module, PyObject *args);
PyObject *fastpath_ring_list(PyObject *module, PyObject *args);
PyObject *fastpath_ring_each(PyObject *module, PyObject *args);
PyObject *fastpath_perf_take(PyObject *module, PyObject *args);
PyObject *fastpath_btf_scan(PyObject *module, PyObject *args);
PyObject *fastpath_find(PyObject *module, PyObject *args);
