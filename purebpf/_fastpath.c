/* The C extension of purebpf: system calls and the entries of maps. _fastpath_memory.c has what works on memory
 * alone: the two shared rings, and scans too slow in Python.
 *
 * It decides nothing and knows no policy. _fastpath.pyi is its contract in Python's words. Rules:
 *   - Addresses never enter Python. A caller names a place in an attribute and a buffer; the address stands there
 *     for the length of the call and is gone afterwards.
 *   - A buffer that the kernel writes to must be writable: Python's immutable objects stay what they were.
 *   - Every length that the kernel, a ring or a file gives is checked before use; every length that the caller
 *     gives is checked against the buffer it belongs to.
 *   - A failed call is an OSError with the kernel's errno; the Python layer knows what was tried and says it.
 *   - The GIL is released around calls that can block (bpf, perf_event_open, bulk copies). Operations on
 *     one entry of a hash or an array do not block, and releasing costs 80 of their 560 ns, so they keep it; the
 *     map kinds whose updates wait (map-in-map waits for RCU) say so with Entries(waits=True).
 *   - Limited API of 3.11: one binary for every later Python. Where there is no bpf(2) it builds and says ENOSYS.
 */
#include "_fastpath.h"

#include <structmember.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#else
enum { __NR_bpf, __NR_perf_event_open };

static long no_syscall(long Py_UNUSED(number), ...)
{
    errno = ENOSYS;
    return -1;
}
#define syscall no_syscall
#endif

/* ------------------------------------------------------------------ system calls */

static PyObject *os_error(int error)
{
    errno = error;
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* Attributes are copied, completed with addresses, and copied back without them. The kernel accepts any size as
 * long as what it does not know is zero; the largest union bpf_attr so far (6.18) has 168 bytes. */
#define ATTR_MAX 512

struct pointer {
    Py_buffer buffer;
    char *place; /* of the address: in the attribute's copy, or in a buffer the attribute points to */
};

struct attribute {
    struct pointer *pointers;
    Py_ssize_t count;
    Py_ssize_t room;
    uint64_t copy[ATTR_MAX / sizeof(uint64_t)];
};

static struct pointer *next_pointer(struct attribute *attribute)
{
    if (attribute->count == attribute->room) {
        Py_ssize_t room = attribute->room ? attribute->room * 2 : 8;
        struct pointer *grown = PyMem_Realloc(attribute->pointers, (size_t)room * sizeof(*grown));
        if (grown == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        attribute->pointers = grown;
        attribute->room = room;
    }
    return &attribute->pointers[attribute->count];
}

/* Write the addresses that `entries` asks for into `base`: tuples (offset, buffer) or (offset, buffer, entries),
 * the last for buffers that hold addresses themselves (symbol lists of kprobe.multi, bpf_prog_info). */
static int place_pointers(struct attribute *attribute, PyObject *entries, char *base, Py_ssize_t size, bool writable,
                          bool nested)
{
    Py_ssize_t count = entries == NULL ? 0 : PyTuple_Size(entries);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *entry = PyTuple_GetItem(entries, i);
        Py_ssize_t offset;
        PyObject *object, *inner = NULL;
        if (!PyTuple_Check(entry)) {
            PyErr_SetString(PyExc_TypeError, "a pointer must be a tuple (offset, buffer) or (offset, buffer, pointers)");
            return -1;
        }
        if (!PyArg_ParseTuple(entry, nested ? "nO:pointer" : "nO|O!:pointer", &offset, &object, &PyTuple_Type, &inner)) {
            return -1;
        }
        if (offset < 0 || size < (Py_ssize_t)sizeof(uint64_t) || offset > size - (Py_ssize_t)sizeof(uint64_t)) {
            PyErr_Format(PyExc_ValueError, "a pointer at offset %zd lies outside its %zd bytes", offset, size);
            return -1;
        }
        struct pointer *pointer = next_pointer(attribute);
        if (pointer == NULL ||
            PyObject_GetBuffer(object, &pointer->buffer, writable || inner ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0) {
            return -1;
        }
        pointer->place = base + offset;
        attribute->count++;
        uint64_t address = (uint64_t)(uintptr_t)pointer->buffer.buf;
        memcpy(pointer->place, &address, sizeof(address));
        if (inner && place_pointers(attribute, inner, pointer->buffer.buf, pointer->buffer.len, writable, true) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Clear every address, hand back what the kernel wrote into the attribute (log_true_size, next_id), let go. */
static void close_attribute(struct attribute *attribute, Py_buffer *attr)
{
    /* The last first: the place of a nested pointer lies in a buffer that came before it. */
    while (attribute->count > 0) {
        struct pointer *pointer = &attribute->pointers[--attribute->count];
        memset(pointer->place, 0, sizeof(uint64_t));
        PyBuffer_Release(&pointer->buffer);
    }
    PyMem_Free(attribute->pointers);
    memcpy(attr->buf, attribute->copy, (size_t)attr->len);
    PyBuffer_Release(attr);
}

static int open_attribute(struct attribute *attribute, Py_buffer *attr, PyObject *inputs, PyObject *outputs)
{
    *attribute = (struct attribute){0};
    if (attr->len > ATTR_MAX) {
        PyErr_Format(PyExc_ValueError, "an attribute of %zd bytes is larger than any kernel's", attr->len);
        PyBuffer_Release(attr);
        return -1;
    }
    memcpy(attribute->copy, attr->buf, (size_t)attr->len);
    char *copy = (char *)attribute->copy;
    if (place_pointers(attribute, inputs, copy, attr->len, false, false) < 0 ||
        place_pointers(attribute, outputs, copy, attr->len, true, false) < 0) {
        close_attribute(attribute, attr);
        return -1;
    }
    return 0;
}

/* Make the call, let go of the attribute, and give the result. EINTR is retried once Python's signal handlers have
 * had their say. */
static PyObject *finish_call(struct attribute *attribute, Py_buffer *attr, long number, const long *arguments)
{
    long result;
    int error;
    do {
        Py_BEGIN_ALLOW_THREADS
        result = syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
        error = errno;
        Py_END_ALLOW_THREADS
    } while (result < 0 && error == EINTR && PyErr_CheckSignals() == 0);
    close_attribute(attribute, attr);
    return PyErr_Occurred() ? NULL : result < 0 ? os_error(error) : PyLong_FromLong(result);
}

/* bpf(command, attr, inputs=(), outputs=()) -> int
 * Promise: the kernel sees exactly the attribute's bytes plus the addresses; after it `attr` holds what the
 * kernel wrote and no address. */
static PyObject *bpf(PyObject *Py_UNUSED(module), PyObject *args)
{
    long command;
    Py_buffer attr;
    PyObject *inputs = NULL, *outputs = NULL;
    struct attribute attribute;
    if (!PyArg_ParseTuple(args, "lw*|O!O!:bpf", &command, &attr, &PyTuple_Type, &inputs, &PyTuple_Type, &outputs) ||
        open_attribute(&attribute, &attr, inputs, outputs) < 0) {
        return NULL;
    }
    long arguments[5] = {command, (long)attribute.copy, (long)attr.len};
    return finish_call(&attribute, &attr, __NR_bpf, arguments);
}

/* perf_event_open(attr, pid, cpu, group_fd, flags, inputs=()) -> int
 * Promise: as bpf(). */
static PyObject *perf_event_open(PyObject *Py_UNUSED(module), PyObject *args)
{
    long pid, cpu, group, flags;
    Py_buffer attr;
    PyObject *inputs = NULL;
    struct attribute attribute;
    if (!PyArg_ParseTuple(args, "w*llll|O!:perf_event_open", &attr, &pid, &cpu, &group, &flags, &PyTuple_Type,
                          &inputs) ||
        open_attribute(&attribute, &attr, inputs, NULL) < 0) {
        return NULL;
    }
    long arguments[5] = {(long)attribute.copy, pid, cpu, group, flags};
    return finish_call(&attribute, &attr, __NR_perf_event_open, arguments);
}

/* map_file(fd, size) -> memoryview
 * Promise: the first `size` bytes of the file, read-only, for the life of the process; no fd is kept for them. */
static PyObject *map_file(PyObject *Py_UNUSED(module), PyObject *args)
{
    int fd;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "in:map_file", &fd, &size)) {
        return NULL;
    }
    void *memory = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    return memory == MAP_FAILED ? os_error(errno) : PyMemoryView_FromMemory(memory, size, PyBUF_READ);
}

/* ------------------------------------------------------------------ entries of a map */

/* Command numbers of the ABI, the only ones named here: the Python layer passes all others. */
enum { MAP_LOOKUP = 1, MAP_UPDATE = 2, MAP_DELETE = 3, MAP_NEXT_KEY = 4, MAP_LOOKUP_AND_DELETE = 21 };

/* How keys and values cross the border. Integers are converted here because a struct.pack and unpack in Python
 * add 180 ns to a call of 600 (measured); everything else is bytes, and the codec's business. */
enum kind { KIND_BYTES = 0, KIND_UNSIGNED = 1, KIND_SIGNED = 2 };

/* What is known of a map. */
struct map {
    int fd;
    Py_ssize_t key_size;
    Py_ssize_t value_size;
    int key_kind;
    int value_kind;
    int waits;
    int direct;
};

/* The base class of mappings, too: it carries out m[key], m[key] = value and del m[key]. A Python __getitem__ in
 * between costs 100 to 150 ns, a quarter of the whole operation. */
typedef struct {
    PyObject_HEAD
    struct map map;
} Entries;

struct element_attr {
    uint32_t fd;
    uint32_t padding;
    uint64_t key;
    uint64_t value;
    uint64_t flags;
};

/* A key or value handed to the kernel: an integer converted in place, or the caller's buffer held. */
struct argument {
    const void *address;
    uint64_t number;
    Py_buffer buffer;
};

/* Where the low `size` bytes of a number stand: an integer of the map's width is the end of a uint64_t. */
static char *low_bytes(uint64_t *number, Py_ssize_t size)
{
    return (char *)number + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? (Py_ssize_t)sizeof(*number) - size : 0);
}

static int64_t sign_extended(uint64_t number, Py_ssize_t size)
{
    int unused = 64 - 8 * (int)size;
    return (int64_t)(number << unused) >> unused;
}

/* Convert an integer to the map's width; ValueError where it does not fit. */
static int convert_number(uint64_t *number, PyObject *object, Py_ssize_t size, int kind, const char *what)
{
    PyObject *integer = PyNumber_Index(object);
    if (integer == NULL) {
        return -1;
    }
    bool fits;
    if (kind == KIND_UNSIGNED) {
        *number = PyLong_AsUnsignedLongLong(integer);
        fits = size == 8 || *number >> (8 * size) == 0;
    } else {
        *number = (uint64_t)PyLong_AsLongLong(integer);
        fits = sign_extended(*number, size) == (int64_t)*number;
    }
    Py_DecRef(integer);
    if (*number == UINT64_MAX && PyErr_Occurred()) {
        PyErr_Clear(); /* OverflowError, the only one that an int can give */
        fits = false;
    }
    if (!fits) {
        PyErr_Format(PyExc_ValueError, "%s %S does not fit into %s integer of %zd bytes", what, object,
                     kind == KIND_UNSIGNED ? "an unsigned" : "a signed", size);
        return -1;
    }
    return 0;
}

/* Held until PyBuffer_Release(&argument->buffer), which does nothing for an integer. */
static int open_argument(struct argument *argument, PyObject *object, Py_ssize_t size, int kind, const char *what)
{
    argument->buffer.obj = NULL;
    argument->address = kind == KIND_BYTES ? NULL : low_bytes(&argument->number, size);
    if (kind != KIND_BYTES) {
        return convert_number(&argument->number, object, size, kind, what);
    }
    if (object == Py_None && size == 0) {
        return 0;
    }
    if (PyObject_GetBuffer(object, &argument->buffer, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    argument->address = argument->buffer.buf;
    if (argument->buffer.len != size) {
        PyErr_Format(PyExc_ValueError, "%s must have %zd bytes, not %zd", what, size, argument->buffer.len);
        PyBuffer_Release(&argument->buffer);
        return -1;
    }
    return 0;
}

/* One operation on one entry; the errno, or 0. The GIL is held whenever the kernel writes to our memory: no other
 * thread can close the map meanwhile, and give its number to one whose values are larger. */
static int element(const struct map *map, int command, const void *key, const void *value, uint64_t flags)
{
    struct element_attr attr = {
        .fd = (uint32_t)map->fd,
        .key = (uint64_t)(uintptr_t)key,
        .value = (uint64_t)(uintptr_t)value,
        .flags = flags,
    };
    bool release = map->waits && (command == MAP_UPDATE || command == MAP_DELETE);
    PyThreadState *thread = release ? PyEval_SaveThread() : NULL;
    int error = syscall(__NR_bpf, (long)command, &attr, sizeof(attr)) < 0 ? errno : 0;
    if (thread != NULL) {
        PyEval_RestoreThread(thread);
    }
    return error;
}

/* Ask the kernel for a key or a value; None when it answers ENOENT: a missing key is no failure. */
static PyObject *fetch(const struct map *map, int command, const void *key, uint64_t flags)
{
    Py_ssize_t size = command == MAP_NEXT_KEY ? map->key_size : map->value_size;
    int kind = command == MAP_NEXT_KEY ? map->key_kind : map->value_kind;
    uint64_t number = 0;
    PyObject *bytes = kind == KIND_BYTES ? PyBytes_FromStringAndSize(NULL, size) : NULL;
    if (kind == KIND_BYTES && bytes == NULL) {
        return NULL;
    }
    int error = element(map, command, key, bytes ? PyBytes_AsString(bytes) : low_bytes(&number, size), flags);
    if (error) {
        Py_DecRef(bytes);
        return error == ENOENT ? Py_NewRef(Py_None) : os_error(error);
    }
    return kind == KIND_BYTES      ? bytes
           : kind == KIND_UNSIGNED ? PyLong_FromUnsignedLongLong(number)
                                   : PyLong_FromLongLong(sign_extended(number, size));
}

/* Carry one command out: what it fetched; None where the kernel has no such key or nothing is fetched. */
static PyObject *operate(const struct map *map, int command, PyObject *key_object, PyObject *value_object,
                         uint64_t flags)
{
    struct argument key, value;
    key.address = value.address = NULL; /* no initialisers: clearing all 200 bytes shows in the figures */
    key.buffer.obj = value.buffer.obj = NULL;
    bool from_the_start = command == MAP_NEXT_KEY && key_object == Py_None;
    if (map->fd < 0) {
        PyErr_SetString(PyExc_ValueError, "the map is closed");
        return NULL;
    }
    if (!from_the_start && open_argument(&key, key_object, map->key_size, map->key_kind, "key") < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    if (command != MAP_UPDATE && command != MAP_DELETE) {
        result = fetch(map, command, key.address, flags);
    } else if (command == MAP_DELETE ||
               open_argument(&value, value_object, map->value_size, map->value_kind, "value") == 0) {
        int error = element(map, command, key.address, value.address, flags);
        result = error ? os_error(error) : Py_NewRef(Py_None);
        PyBuffer_Release(&value.buffer);
    }
    PyBuffer_Release(&key.buffer);
    return result;
}

/* Entries._operate(command, key, value=None, flags=0) -> bytes | int | None
 * Promise: of MAP_LOOKUP_ELEM and MAP_LOOKUP_AND_DELETE_ELEM a whole value as the kernel copied it, of
 * MAP_GET_NEXT_KEY the key after this one (the first for None), None where there is none; after MAP_UPDATE_ELEM and
 * MAP_DELETE_ELEM the kernel has done it, or OSError (ENOENT: the key was not there). */
static PyObject *entries_operate(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 2 || count > 4) {
        return PyErr_Format(PyExc_TypeError, "_operate takes 2 to 4 arguments, not %zd", count);
    }
    long command = PyLong_AsLong(args[0]);
    uint64_t flags = count > 3 ? PyLong_AsUnsignedLongLong(args[3]) : 0;
    if ((command == -1 || flags == UINT64_MAX) && PyErr_Occurred()) {
        return NULL;
    }
    if ((command < MAP_LOOKUP || command > MAP_NEXT_KEY) && command != MAP_LOOKUP_AND_DELETE) {
        return PyErr_Format(PyExc_ValueError, "%ld is no command on one entry", command);
    }
    return operate(&((Entries *)self)->map, (int)command, args[1], count > 2 ? args[2] : Py_None, flags);
}

/* Carry a subscript out, in C where nothing stands in the way. Success is all that is known here: a refused or
 * missing key is tried again by the subclass's method, which has the words for it. */
static PyObject *subscript(PyObject *object, int command, PyObject *key, PyObject *value, const char *in_python)
{
    const struct map *map = &((Entries *)object)->map;
    if (map->direct && map->fd >= 0) {
        PyObject *result = operate(map, command, key, value, 0);
        if (result != NULL && (command != MAP_LOOKUP || result != Py_None)) {
            return result;
        }
        if (result == NULL && !PyErr_ExceptionMatches(PyExc_OSError)) {
            return NULL;
        }
        Py_DecRef(result);
        PyErr_Clear();
    }
    return value != NULL ? PyObject_CallMethod(object, in_python, "(OO)", key, value)
                         : PyObject_CallMethod(object, in_python, "(O)", key);
}

/* Entries.__getitem__(key)
 * Promise: the value, else what `_get(key)` gives or raises. */
static PyObject *entries_get(PyObject *object, PyObject *key)
{
    return subscript(object, MAP_LOOKUP, key, NULL, "_get");
}

/* Entries.__setitem__(key, value), __delitem__(key)
 * Promise: done, else what `_set(key, value)` or `_remove(key)` does or raises. */
static int entries_set(PyObject *object, PyObject *key, PyObject *value)
{
    PyObject *done = value != NULL ? subscript(object, MAP_UPDATE, key, value, "_set")
                                   : subscript(object, MAP_DELETE, key, NULL, "_remove");
    Py_DecRef(done);
    return done == NULL ? -1 : 0;
}

static bool bad_size(Py_ssize_t size, int kind)
{
    return size < (kind != KIND_BYTES) || size > (kind != KIND_BYTES ? 8 : INT32_MAX);
}

/* Entries(fd, key_size, value_size, *, key_kind=0, value_kind=0, waits=False, direct=False)
 * Promise: borrows the fd, never closes it. `value_size` is what one lookup moves: for per-CPU maps the sum over
 * all CPUs. It has to be the kernel's figure (map_info): the kernel writes that many bytes whatever is said here. */
static int entries_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"fd", "key_size", "value_size", "key_kind", "value_kind", "waits", "direct", NULL};
    struct map map = {0};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "inn|$iipp", names, &map.fd, &map.key_size, &map.value_size,
                                     &map.key_kind, &map.value_kind, &map.waits, &map.direct)) {
        return -1;
    }
    if (bad_size(map.key_size, map.key_kind) || bad_size(map.value_size, map.value_kind)) {
        PyErr_SetString(PyExc_ValueError, "keys and values have 0 to 2**31 - 1 bytes, integers 1 to 8 bytes");
        return -1;
    }
    ((Entries *)object)->map = map;
    return 0;
}

static PyMethodDef entries_methods[] = {
    /* FASTCALL functions have another C type than the field; CPython's documented cast. */
    {"_operate", (PyCFunction)(void (*)(void))entries_operate, METH_FASTCALL, NULL},
    {0},
};

static PyMemberDef entries_members[] = {
    /* Writable so that a map can say "closed" (-1) before its fd's number is given to another file. */
    {"_fd", T_INT, offsetof(Entries, map.fd), 0, NULL},
    {0},
};

static PyType_Slot entries_slots[] = {
    {Py_tp_init, entries_init},
    {Py_tp_methods, entries_methods},
    {Py_tp_members, entries_members},
    {Py_mp_subscript, entries_get},
    {Py_mp_ass_subscript, entries_set},
    {0, NULL},
};

static PyType_Spec entries_spec = {
    .name = "purebpf._fastpath.Entries",
    .basicsize = sizeof(Entries),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = entries_slots,
};

/* ------------------------------------------------------------------ the module */

static PyMethodDef module_methods[] = {
    {"bpf", bpf, METH_VARARGS, NULL},
    {"perf_event_open", perf_event_open, METH_VARARGS, NULL},
    {"map_file", map_file, METH_VARARGS, NULL},
    {"ring_into", fastpath_ring_into, METH_VARARGS, NULL},
    {"ring_list", fastpath_ring_list, METH_VARARGS, NULL},
    {"ring_each", fastpath_ring_each, METH_VARARGS, NULL},
    {"perf_take", fastpath_perf_take, METH_VARARGS, NULL},
    {"btf_scan", fastpath_btf_scan, METH_VARARGS, NULL},
    {"find", fastpath_find, METH_VARARGS, NULL},
    {0},
};

static int module_exec(PyObject *module)
{
    PyObject *entries = PyType_FromModuleAndSpec(module, &entries_spec, NULL);
    int result = entries == NULL ? -1 : PyModule_AddObjectRef(module, "Entries", entries);
    Py_DecRef(entries);
    return result;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "purebpf._fastpath",
    .m_doc = "System calls, rings and scans of purebpf; see _fastpath.pyi.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__fastpath(void)
{
    return PyModuleDef_Init(&module_definition);
}
