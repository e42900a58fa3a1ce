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
 *   - The GIL is released around calls that can block (bpf, perf_event_open, batches, bulk copies). Operations on
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

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* ------------------------------------------------------------------ system calls */

static long sys_bpf(long command, void *attr, size_t size)
{
#if defined(__linux__) && defined(__NR_bpf)
    return syscall(__NR_bpf, command, attr, size);
#else
    (void)command, (void)attr, (void)size;
    errno = ENOSYS;
    return -1;
#endif
}

static long sys_perf_event_open(void *attr, long pid, long cpu, long group, unsigned long flags)
{
#if defined(__linux__) && defined(__NR_perf_event_open)
    return syscall(__NR_perf_event_open, attr, pid, cpu, group, flags);
#else
    (void)attr, (void)pid, (void)cpu, (void)group, (void)flags;
    errno = ENOSYS;
    return -1;
#endif
}

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
    for (Py_ssize_t i = 0; i < attribute->count; i++) {
        memset(attribute->pointers[i].place, 0, sizeof(uint64_t));
    }
    for (Py_ssize_t i = 0; i < attribute->count; i++) {
        PyBuffer_Release(&attribute->pointers[i].buffer);
    }
    PyMem_Free(attribute->pointers);
    memcpy(attr->buf, attribute->copy, (size_t)attr->len);
    PyBuffer_Release(attr);
}

static int open_attribute(struct attribute *attribute, Py_buffer *attr, PyObject *inputs, PyObject *outputs)
{
    attribute->pointers = NULL;
    attribute->count = attribute->room = 0;
    if (attr->len > ATTR_MAX) {
        PyErr_Format(PyExc_ValueError, "an attribute of %zd bytes is larger than any kernel's", attr->len);
        PyBuffer_Release(attr);
        return -1;
    }
    memset(attribute->copy, 0, ATTR_MAX);
    memcpy(attribute->copy, attr->buf, (size_t)attr->len);
    char *copy = (char *)attribute->copy;
    if (place_pointers(attribute, inputs, copy, attr->len, false, false) < 0 ||
        place_pointers(attribute, outputs, copy, attr->len, true, false) < 0) {
        close_attribute(attribute, attr);
        return -1;
    }
    return 0;
}

/* bpf(command, attr, inputs=(), outputs=()) -> int
 * Promise: the kernel sees exactly the attribute's bytes plus the addresses; after it `attr` holds what the
 * kernel wrote and no address. EINTR is retried once Python's signal handlers have had their say. */
static PyObject *bpf(PyObject *module, PyObject *args)
{
    (void)module;
    long command, result;
    int error;
    Py_buffer attr;
    PyObject *inputs = NULL, *outputs = NULL;
    struct attribute attribute;
    if (!PyArg_ParseTuple(args, "lw*|O!O!:bpf", &command, &attr, &PyTuple_Type, &inputs, &PyTuple_Type, &outputs) ||
        open_attribute(&attribute, &attr, inputs, outputs) < 0) {
        return NULL;
    }
    do {
        Py_BEGIN_ALLOW_THREADS
        result = sys_bpf(command, attribute.copy, (size_t)attr.len);
        error = errno;
        Py_END_ALLOW_THREADS
    } while (result < 0 && error == EINTR && PyErr_CheckSignals() == 0);
    close_attribute(&attribute, &attr);
    return PyErr_Occurred() ? NULL : result < 0 ? os_error(error) : PyLong_FromLong(result);
}

/* perf_event_open(attr, pid, cpu, group_fd, flags, inputs=()) -> int
 * Promise: as bpf(). */
static PyObject *perf_event_open(PyObject *module, PyObject *args)
{
    (void)module;
    long pid, cpu, group, result;
    unsigned long flags;
    int error;
    Py_buffer attr;
    PyObject *inputs = NULL;
    struct attribute attribute;
    if (!PyArg_ParseTuple(args, "w*lllk|O!:perf_event_open", &attr, &pid, &cpu, &group, &flags, &PyTuple_Type,
                          &inputs) ||
        open_attribute(&attribute, &attr, inputs, NULL) < 0) {
        return NULL;
    }
    do {
        Py_BEGIN_ALLOW_THREADS
        result = sys_perf_event_open(attribute.copy, pid, cpu, group, flags);
        error = errno;
        Py_END_ALLOW_THREADS
    } while (result < 0 && error == EINTR && PyErr_CheckSignals() == 0);
    close_attribute(&attribute, &attr);
    return PyErr_Occurred() ? NULL : result < 0 ? os_error(error) : PyLong_FromLong(result);
}

/* ------------------------------------------------------------------ entries of a map */

/* Command numbers of the ABI, the only ones named here: the Python layer passes all others. */
enum { MAP_LOOKUP = 1, MAP_UPDATE = 2, MAP_DELETE = 3, MAP_NEXT_KEY = 4, MAP_LOOKUP_AND_DELETE = 21 };

/* How keys and values cross the border. Integers are converted here because a struct.pack and unpack in Python
 * add 180 ns to a call of 600 (measured); everything else is bytes, and the codec's business. */
enum kind { KIND_BYTES = 0, KIND_UNSIGNED = 1, KIND_SIGNED = 2 };

typedef struct {
    PyObject_HEAD
    int fd;
    unsigned int key_size;
    unsigned int value_size;
    int key_kind;
    int value_kind;
    char waits;
    char direct;
} Entries;

struct element_attr {
    uint32_t fd;
    uint32_t padding;
    uint64_t key;
    uint64_t value;
    uint64_t flags;
};

struct batch_attr {
    uint64_t in_batch;
    uint64_t out_batch;
    uint64_t keys;
    uint64_t values;
    uint32_t count;
    uint32_t fd;
    uint64_t element_flags;
    uint64_t flags;
};

/* A number in the width its map has, in host order. */
union number {
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
};

/* A key or value handed to the kernel: an integer converted in place, or the caller's buffer held. */
struct argument {
    const void *address;
    union number number;
    Py_buffer buffer;
    bool held;
};

static uint64_t load_unsigned(const void *place, unsigned int size)
{
    const union number *number = place;
    return size == 1 ? number->one : size == 2 ? number->two : size == 4 ? number->four : number->eight;
}

static PyObject *load_number(const void *place, unsigned int size, int kind)
{
    uint64_t number = load_unsigned(place, size);
    unsigned int unused = 64 - 8 * size;
    return kind == KIND_UNSIGNED ? PyLong_FromUnsignedLongLong(number)
                                 : PyLong_FromLongLong((int64_t)(number << unused) >> unused);
}

static void store_number(union number *place, uint64_t number, unsigned int size)
{
    switch (size) {
    case 1: place->one = (uint8_t)number; break;
    case 2: place->two = (uint16_t)number; break;
    case 4: place->four = (uint32_t)number; break;
    default: place->eight = number;
    }
}

static int number_argument(struct argument *argument, PyObject *object, unsigned int size, int kind, const char *what)
{
    uint64_t number;
    bool fits;
    if (kind == KIND_UNSIGNED) {
        number = PyLong_AsUnsignedLongLong(object);
        fits = size == 8 || number >> (8 * size) == 0;
    } else {
        long long value = PyLong_AsLongLong(object);
        long long half = size == 8 ? 0 : 1LL << (8 * size - 1);
        number = (uint64_t)value;
        fits = size == 8 || (value >= -half && value < half);
    }
    if (number == UINT64_MAX && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return -1;
        }
        PyErr_Clear();
        fits = false;
    }
    if (!fits) {
        PyErr_Format(PyExc_ValueError, "%s %S does not fit into %s integer of %u bytes", what, object,
                     kind == KIND_UNSIGNED ? "an unsigned" : "a signed", size);
        return -1;
    }
    store_number(&argument->number, number, size);
    argument->address = &argument->number;
    return 0;
}

static void close_argument(struct argument *argument)
{
    if (argument->held) {
        PyBuffer_Release(&argument->buffer);
    }
}

static int open_argument(struct argument *argument, PyObject *object, unsigned int size, int kind, const char *what)
{
    argument->held = false;
    if (kind != KIND_BYTES) {
        if (PyLong_Check(object)) {
            return number_argument(argument, object, size, kind, what);
        }
        PyObject *number = PyNumber_Index(object);
        int result = number == NULL ? -1 : number_argument(argument, number, size, kind, what);
        Py_DecRef(number);
        return result;
    }
    Py_ssize_t length = 0;
    if (PyBytes_Check(object)) {
        argument->address = PyBytes_AsString(object);
        length = PyBytes_Size(object);
    } else if (object == Py_None && size == 0) {
        argument->address = NULL;
    } else {
        if (PyObject_GetBuffer(object, &argument->buffer, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        argument->held = true;
        argument->address = argument->buffer.buf;
        length = argument->buffer.len;
    }
    if (length != (Py_ssize_t)size) {
        PyErr_Format(PyExc_ValueError, "%s must have %u bytes, not %zd", what, size, length);
        close_argument(argument);
        return -1;
    }
    return 0;
}

/* One operation on one entry; the errno, or 0. */
static int element(const Entries *self, int command, const void *key, const void *value, uint64_t flags)
{
    struct element_attr attr = {
        .fd = (uint32_t)self->fd,
        .key = (uint64_t)(uintptr_t)key,
        .value = (uint64_t)(uintptr_t)value,
        .flags = flags,
    };
    if (!self->waits) {
        return sys_bpf(command, &attr, sizeof(attr)) < 0 ? errno : 0;
    }
    int error;
    Py_BEGIN_ALLOW_THREADS
    error = sys_bpf(command, &attr, sizeof(attr)) < 0 ? errno : 0;
    Py_END_ALLOW_THREADS
    return error;
}

static int check_open(const Entries *self)
{
    if (self->fd < 0) {
        PyErr_SetString(PyExc_ValueError, "the map is closed");
        return -1;
    }
    return 0;
}

static int open_entries(const Entries *self, const char *name, Py_ssize_t count, Py_ssize_t least, PyObject *const *args,
                        uint64_t *flags)
{
    *flags = 0;
    if (count < least || count > least + 1) {
        PyErr_Format(PyExc_TypeError, "%s takes %zd or %zd arguments, not %zd", name, least, least + 1, count);
        return -1;
    }
    if (check_open(self) < 0) {
        return -1;
    }
    if (count > least) {
        *flags = PyLong_AsUnsignedLongLong(args[least]);
        if (*flags == UINT64_MAX && PyErr_Occurred()) {
            return -1;
        }
    }
    return 0;
}

/* Ask the kernel for a key or a value; None when it answers ENOENT: a missing key is no failure. */
static PyObject *fetch(const Entries *self, int command, const void *key, uint64_t flags, unsigned int size, int kind)
{
    uint64_t number = 0;
    PyObject *bytes = NULL;
    void *place = &number;
    if (kind == KIND_BYTES) {
        bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
        if (bytes == NULL) {
            return NULL;
        }
        place = PyBytes_AsString(bytes);
    }
    int error = element(self, command, key, place, flags);
    if (error == 0) {
        return kind == KIND_BYTES ? bytes : load_number(place, size, kind);
    }
    Py_DecRef(bytes);
    if (error == ENOENT) {
        Py_RETURN_NONE;
    }
    return os_error(error);
}

static PyObject *fetch_value(Entries *self, const char *name, int command, PyObject *const *args, Py_ssize_t count)
{
    uint64_t flags;
    struct argument key;
    if (open_entries(self, name, count, 1, args, &flags) < 0 ||
        open_argument(&key, args[0], self->key_size, self->key_kind, "key") < 0) {
        return NULL;
    }
    PyObject *value = fetch(self, command, key.address, flags, self->value_size, self->value_kind);
    close_argument(&key);
    return value;
}

/* Entries.lookup(key, flags=0) -> bytes | int | None
 * Promise: a whole value as the kernel copied it, or None where there is no such key. */
static PyObject *entries_lookup(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return fetch_value((Entries *)self, "lookup", MAP_LOOKUP, args, count);
}

/* Entries.lookup_and_delete(key, flags=0) -> bytes | int | None
 * Promise: the kernel takes the entry out and hands it over in one step (queues and stacks: key None). */
static PyObject *entries_lookup_and_delete(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    return fetch_value((Entries *)self, "lookup_and_delete", MAP_LOOKUP_AND_DELETE, args, count);
}

/* Entries.next_key(key | None) -> bytes | int | None
 * Promise: the key after this one in the kernel's own order, the first for None, None after the last. */
static PyObject *entries_next_key(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Entries *self = (Entries *)object;
    uint64_t flags;
    struct argument key = {0};
    if (open_entries(self, "next_key", count, 1, args, &flags) < 0) {
        return NULL;
    }
    if (args[0] != Py_None && open_argument(&key, args[0], self->key_size, self->key_kind, "key") < 0) {
        return NULL;
    }
    PyObject *next = fetch(self, MAP_NEXT_KEY, key.address, flags, self->key_size, self->key_kind);
    close_argument(&key);
    return next;
}

/* Entries.update(key, value, flags=0) -> None
 * Promise: the kernel has the whole value, or OSError. */
static PyObject *entries_update(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Entries *self = (Entries *)object;
    uint64_t flags;
    struct argument key, value;
    if (open_entries(self, "update", count, 2, args, &flags) < 0 ||
        open_argument(&key, args[0], self->key_size, self->key_kind, "key") < 0) {
        return NULL;
    }
    if (open_argument(&value, args[1], self->value_size, self->value_kind, "value") < 0) {
        close_argument(&key);
        return NULL;
    }
    int error = element(self, MAP_UPDATE, key.address, value.address, flags);
    close_argument(&value);
    close_argument(&key);
    return error ? os_error(error) : Py_NewRef(Py_None);
}

/* Entries.delete(key) -> None
 * Promise: the entry was there and is gone, or OSError (ENOENT: it was not there). */
static PyObject *entries_delete(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Entries *self = (Entries *)object;
    uint64_t flags;
    struct argument key;
    if (open_entries(self, "delete", count, 1, args, &flags) < 0 ||
        open_argument(&key, args[0], self->key_size, self->key_kind, "key") < 0) {
        return NULL;
    }
    int error = element(self, MAP_DELETE, key.address, NULL, flags);
    close_argument(&key);
    return error ? os_error(error) : Py_NewRef(Py_None);
}

/* Get the buffer of a batch argument, at least `need` bytes long; None leaves it out. */
static int open_batch_buffer(Py_buffer *view, PyObject *object, bool writable, uint64_t need, const char *what)
{
    if (object == Py_None) {
        return 0;
    }
    if (PyObject_GetBuffer(object, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0) {
        view->obj = NULL;
        return -1;
    }
    if ((uint64_t)view->len < need) {
        PyErr_Format(PyExc_ValueError, "%s of this batch needs %llu bytes, not %zd", what, (unsigned long long)need,
                     view->len);
        return -1;
    }
    return 0;
}

/* Entries.batch(command, in_batch, out_batch, keys, values, count, element_flags=0) -> (count, errno)
 * Promise: no buffer is too small for `count` entries; the kernel's own count comes back with its errno, since
 * it has moved entries even where it reports ENOENT (the end) or ENOSPC. */
static PyObject *entries_batch(PyObject *object, PyObject *args)
{
    Entries *self = (Entries *)object;
    int command, error = 0;
    unsigned int count;
    unsigned long long flags = 0;
    PyObject *objects[4];
    if (!PyArg_ParseTuple(args, "iOOOOI|K:batch", &command, &objects[0], &objects[1], &objects[2], &objects[3], &count,
                          &flags) ||
        check_open(self) < 0) {
        return NULL;
    }
    /* MAP_LOOKUP_BATCH and MAP_LOOKUP_AND_DELETE_BATCH (24, 25) write keys and values, 26 and 27 read them. A hash
     * keeps its place in 4 bytes, all others in a key. */
    bool writes = command == 24 || command == 25;
    uint64_t position = self->key_size < 4 ? 4 : self->key_size;
    uint64_t needs[4] = {position, position, (uint64_t)self->key_size * count, (uint64_t)self->value_size * count};
    static const char *const names[4] = {"in_batch", "out_batch", "keys", "values"};
    Py_buffer views[4] = {{0}, {0}, {0}, {0}};
    PyObject *result = NULL;
    for (int i = 0; i < 4; i++) {
        if (open_batch_buffer(&views[i], objects[i], i == 1 || (i > 1 && writes), needs[i], names[i]) < 0) {
            goto out;
        }
    }
    struct batch_attr attr = {
        .in_batch = (uint64_t)(uintptr_t)views[0].buf,
        .out_batch = (uint64_t)(uintptr_t)views[1].buf,
        .keys = (uint64_t)(uintptr_t)views[2].buf,
        .values = (uint64_t)(uintptr_t)views[3].buf,
        .count = count,
        .fd = (uint32_t)self->fd,
        .element_flags = flags,
    };
    Py_BEGIN_ALLOW_THREADS
    error = sys_bpf(command, &attr, sizeof(attr)) < 0 ? errno : 0;
    Py_END_ALLOW_THREADS
    /* A kernel that refuses the command leaves the count as it was sent: nothing was moved then. */
    bool moved = error == 0 || (attr.count < count && error != EINVAL && error != EFAULT) || error == ENOENT;
    result = Py_BuildValue("(Ii)", moved ? attr.count : 0, error);
out:
    for (int i = 0; i < 4; i++) {
        if (views[i].obj != NULL) {
            PyBuffer_Release(&views[i]);
        }
    }
    return result;
}

static int check_kind(int kind, unsigned int size, const char *what)
{
    if (kind < KIND_BYTES || kind > KIND_SIGNED) {
        PyErr_Format(PyExc_ValueError, "%s_kind must be 0 (bytes), 1 (unsigned) or 2 (signed)", what);
        return -1;
    }
    if (kind != KIND_BYTES && size != 1 && size != 2 && size != 4 && size != 8) {
        PyErr_Format(PyExc_ValueError, "there is no integer of %u bytes for the %s", size, what);
        return -1;
    }
    return 0;
}

/* Entries(fd, key_size, value_size, *, key_kind=0, value_kind=0, waits=False, direct=False)
 * Promise: borrows the fd, never closes it. `value_size` is what one lookup moves: for per-CPU maps the sum over
 * all CPUs. It has to be the kernel's figure (map_info): the kernel writes that many bytes whatever is said here. */
static PyObject *entries_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"fd", "key_size", "value_size", "key_kind", "value_kind", "waits", "direct", NULL};
    int fd, key_kind = 0, value_kind = 0, waits = 0, direct = 0;
    Py_ssize_t key_size, value_size;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "inn|$iipp", names, &fd, &key_size, &value_size, &key_kind,
                                     &value_kind, &waits, &direct)) {
        return NULL;
    }
    if (key_size < 0 || value_size < 0 || key_size > INT32_MAX || value_size > INT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "sizes of keys and values lie between 0 and 2**31 - 1");
        return NULL;
    }
    if (check_kind(key_kind, (unsigned int)key_size, "key") < 0 ||
        check_kind(value_kind, (unsigned int)value_size, "value") < 0) {
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Entries *self = (Entries *)allocate(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->fd = fd;
    self->key_size = (unsigned int)key_size;
    self->value_size = (unsigned int)value_size;
    self->key_kind = key_kind;
    self->value_kind = value_kind;
    self->waits = (char)waits;
    self->direct = (char)direct;
    return (PyObject *)self;
}

static void entries_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DecRef((PyObject *)type);
}

/* FASTCALL functions have another C type than PyMethodDef's field; CPython's documented cast. */
#define FASTCALL(name, function) {name, (PyCFunction)(void (*)(void))(function), METH_FASTCALL, NULL}

static PyMethodDef entries_methods[] = {
    FASTCALL("lookup", entries_lookup),
    FASTCALL("lookup_and_delete", entries_lookup_and_delete),
    FASTCALL("next_key", entries_next_key),
    FASTCALL("update", entries_update),
    FASTCALL("delete", entries_delete),
    {"batch", entries_batch, METH_VARARGS, NULL},
    {0},
};

static PyMemberDef entries_members[] = {
    /* Writable so that a map can say "closed" (-1) before its fd's number is given to another file. */
    {"fd", T_INT, offsetof(Entries, fd), 0, NULL},
    {"key_size", T_UINT, offsetof(Entries, key_size), READONLY, NULL},
    {"value_size", T_UINT, offsetof(Entries, value_size), READONLY, NULL},
    {0},
};

static PyType_Slot entries_slots[] = {
    {Py_tp_new, entries_new},
    {Py_tp_dealloc, entries_dealloc},
    {Py_tp_methods, entries_methods},
    {Py_tp_members, entries_members},
    {0, NULL},
};

static PyType_Spec entries_spec = {
    .name = "purebpf._fastpath.Entries",
    .basicsize = sizeof(Entries),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = entries_slots,
};

/* ------------------------------------------------------------------ m[key] */

/* The base class of mappings: holds an `Entries` and carries out m[key], m[key] = value and del m[key] with it.
 * A Python __getitem__ in between costs 100 to 150 ns, a quarter of the whole operation. Success is all that is
 * known here: whatever else happens, the Python method (_get, _set, _remove) does it again and finds the words. */
typedef struct {
    PyObject_HEAD
    Entries *entries;
} Subscripts;

/* The entries to use at once; NULL where the keys or values need Python's hand, or the map is closed. */
static Entries *direct_entries(PyObject *object)
{
    Entries *entries = ((Subscripts *)object)->entries;
    return entries != NULL && entries->direct && entries->fd >= 0 ? entries : NULL;
}

/* Subscripts.__getitem__(key): the value, else what `_get` gives or raises. */
static PyObject *subscripts_get(PyObject *object, PyObject *key)
{
    Entries *entries = direct_entries(object);
    if (entries != NULL) {
        struct argument argument;
        if (open_argument(&argument, key, entries->key_size, entries->key_kind, "key") < 0) {
            return NULL;
        }
        PyObject *value = fetch(entries, MAP_LOOKUP, argument.address, 0, entries->value_size, entries->value_kind);
        close_argument(&argument);
        if (value != NULL && value != Py_None) {
            return value;
        }
        Py_DecRef(value);
        PyErr_Clear();
    }
    return PyObject_CallMethod(object, "_get", "(O)", key);
}

/* Subscripts.__setitem__(key, value) and __delitem__(key): done, else what `_set` or `_remove` does or raises. */
static int subscripts_set(PyObject *object, PyObject *key, PyObject *value)
{
    Entries *entries = direct_entries(object);
    if (entries != NULL) {
        struct argument key_argument, value_argument = {0};
        if (open_argument(&key_argument, key, entries->key_size, entries->key_kind, "key") < 0) {
            return -1;
        }
        if (value != NULL &&
            open_argument(&value_argument, value, entries->value_size, entries->value_kind, "value") < 0) {
            close_argument(&key_argument);
            return -1;
        }
        int command = value != NULL ? MAP_UPDATE : MAP_DELETE;
        int error = element(entries, command, key_argument.address, value_argument.address, 0);
        close_argument(&value_argument);
        close_argument(&key_argument);
        if (error == 0) {
            return 0;
        }
    }
    PyObject *done = value != NULL ? PyObject_CallMethod(object, "_set", "(OO)", key, value)
                                   : PyObject_CallMethod(object, "_remove", "(O)", key);
    Py_DecRef(done);
    return done == NULL ? -1 : 0;
}

static PyObject *subscripts_entries(PyObject *object, void *unused)
{
    (void)unused;
    PyObject *entries = (PyObject *)((Subscripts *)object)->entries;
    return Py_NewRef(entries != NULL ? entries : Py_None);
}

static int subscripts_set_entries(PyObject *object, PyObject *value, void *unused)
{
    (void)unused;
    /* Entries has no subclasses, so its destructor tells it apart without a look at the module's state. */
    if (value == NULL || PyType_GetSlot(Py_TYPE(value), Py_tp_dealloc) != (void *)entries_dealloc) {
        PyErr_SetString(PyExc_TypeError, "_entries must be an Entries");
        return -1;
    }
    Entries *old = ((Subscripts *)object)->entries;
    ((Subscripts *)object)->entries = (Entries *)Py_NewRef(value);
    Py_DecRef((PyObject *)old);
    return 0;
}

static void subscripts_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    Py_DecRef((PyObject *)((Subscripts *)self)->entries);
    release(self);
    Py_DecRef((PyObject *)type);
}

static PyGetSetDef subscripts_attributes[] = {
    {"_entries", subscripts_entries, subscripts_set_entries, NULL, NULL},
    {0},
};

static PyType_Slot subscripts_slots[] = {
    {Py_tp_dealloc, subscripts_dealloc},
    {Py_tp_getset, subscripts_attributes},
    {Py_mp_subscript, subscripts_get},
    {Py_mp_ass_subscript, subscripts_set},
    {0, NULL},
};

static PyType_Spec subscripts_spec = {
    .name = "purebpf._fastpath.Subscripts",
    .basicsize = sizeof(Subscripts),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = subscripts_slots,
};

/* ------------------------------------------------------------------ the module */

static PyMethodDef module_methods[] = {
    {"bpf", bpf, METH_VARARGS, NULL},
    {"perf_event_open", perf_event_open, METH_VARARGS, NULL},
    {"ring_into", fastpath_ring_into, METH_VARARGS, NULL},
    {"ring_list", fastpath_ring_list, METH_VARARGS, NULL},
    {"ring_each", fastpath_ring_each, METH_VARARGS, NULL},
    {"perf_list", fastpath_perf_list, METH_VARARGS, NULL},
    {"btf_scan", fastpath_btf_scan, METH_VARARGS, NULL},
    {0},
};

static int add_type(PyObject *module, const char *name, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    int result = type == NULL ? -1 : PyModule_AddObjectRef(module, name, type);
    Py_DecRef(type);
    return result;
}

static int module_exec(PyObject *module)
{
    return add_type(module, "Entries", &entries_spec) < 0 ? -1 : add_type(module, "Subscripts", &subscripts_spec);
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
