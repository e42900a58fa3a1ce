/* The C extension of purebpf: system calls, the two shared-memory rings, and scans too slow in Python.
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
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__GNUC__) || defined(__clang__)
#define PREFETCH(address) __builtin_prefetch(address)
#define LOAD_ACQUIRE(place) __atomic_load_n(place, __ATOMIC_ACQUIRE)
#define STORE_RELEASE(place, value) __atomic_store_n(place, value, __ATOMIC_RELEASE)
#else
#error "a compiler with GNU atomics is needed: the rings are shared with the kernel"
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

/* Entries(fd, key_size, value_size, *, key_kind=0, value_kind=0, waits=False)
 * Promise: borrows the fd, never closes it. `value_size` is what one lookup moves: for per-CPU maps the sum over
 * all CPUs. It has to be the kernel's figure (map_info): the kernel writes that many bytes whatever is said here. */
static PyObject *entries_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"fd", "key_size", "value_size", "key_kind", "value_kind", "waits", NULL};
    int fd, key_kind = 0, value_kind = 0, waits = 0;
    Py_ssize_t key_size, value_size;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "inn|$iip", names, &fd, &key_size, &value_size, &key_kind,
                                     &value_kind, &waits)) {
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

/* ------------------------------------------------------------------ the BPF ring buffer */

#define RING_BUSY 0x80000000u
#define RING_DISCARD 0x40000000u
#define RING_LENGTH 0x3fffffffu
#define RING_HEADER 8u
/* How far ahead headers are fetched: events over a cache line are bound by memory latency, not by work (256-byte
 * events: 59 ns without, 20.6 with 2112, 13.5 with 4224 bytes ahead). A prefetch never faults. */
#define RING_AHEAD 4224
/* Bytes looked over before they are copied in one piece: still in the first-level cache then. */
#define RING_RUN 16384u

/* The two mappings of a ring: the consumer's page, and the producer's page followed by the data, mapped twice in
 * a row so that no record is ever seen in two parts. */
struct ring {
    Py_buffer consumer_page;
    Py_buffer data_pages;
    unsigned long *consumer;
    unsigned long producer;
    unsigned long position;
    const char *data;
    unsigned long mask;
};

static void close_ring(struct ring *ring)
{
    PyBuffer_Release(&ring->consumer_page);
    PyBuffer_Release(&ring->data_pages);
}

static int ring_damaged(void)
{
    PyObject *problem = Py_BuildValue("(is)", EBADMSG, "the ring holds an impossible length or position");
    PyErr_SetObject(PyExc_OSError, problem);
    Py_DecRef(problem);
    return -1;
}

/* Take the one look at the producer's position that this drain works with: a second look would find records for
 * which the output has no room. Closes the ring when it fails. */
static int open_ring(struct ring *ring, Py_ssize_t page, Py_ssize_t *limit)
{
    Py_ssize_t doubled = ring->data_pages.len - page;
    unsigned long size = doubled > 0 ? (unsigned long)doubled / 2 : 0;
    *limit = *limit < 0 ? PY_SSIZE_T_MAX : *limit;
    if (page < 8 || page % 8 || ring->consumer_page.len < (Py_ssize_t)sizeof(long) || size < RING_HEADER ||
        (size & (size - 1)) || (unsigned long)doubled != 2 * size || (uintptr_t)ring->consumer_page.buf % 8 ||
        (uintptr_t)ring->data_pages.buf % 8) {
        PyErr_SetString(PyExc_ValueError, "a ring is a producer page and twice its power-of-two size of data");
        close_ring(ring);
        return -1;
    }
    ring->consumer = ring->consumer_page.buf;
    ring->data = (const char *)ring->data_pages.buf + page;
    ring->mask = size - 1;
    ring->position = LOAD_ACQUIRE(ring->consumer);
    ring->producer = LOAD_ACQUIRE((unsigned long *)ring->data_pages.buf);
    if (ring->producer - ring->position > size || ring->position % 8 || ring->producer % 8) {
        ring_damaged();
        close_ring(ring);
        return -1;
    }
    return 0;
}

/* Look at the record at `position`: its whole size in the ring, 0 where the producer has not finished it or there
 * is none, -1 (no exception set) where its length is impossible. `header` gets length and discard bit. */
static long record_at(const struct ring *ring, unsigned long position, uint32_t *header)
{
    unsigned long left = ring->producer - position;
    if (left == 0) {
        return 0;
    }
    const char *record = ring->data + (position & ring->mask);
    PREFETCH(record + RING_AHEAD);
    *header = LOAD_ACQUIRE((const uint32_t *)record);
    if (*header & RING_BUSY) {
        return 0;
    }
    unsigned long size = (((unsigned long)*header & RING_LENGTH) + RING_HEADER + 7) & ~7ul;
    return size <= left ? (long)size : -1;
}

/* Copy finished records to `out`, headers and padding included, discarded ones left out; returns -1 when the ring
 * is damaged. Neighbouring records travel in one memcpy. */
static int copy_records(struct ring *ring, char *out, size_t room, Py_ssize_t limit, Py_ssize_t *count, size_t *used,
                        size_t *wanted)
{
    uint32_t header;
    long size = 0;
    for (;;) {
        unsigned long start = ring->position;
        unsigned long end = start;
        size_t space = room - *used;
        while (*count < limit && end - start < RING_RUN && (size = record_at(ring, end, &header)) > 0 &&
               !(header & RING_DISCARD) && (size_t)size <= space - (end - start)) {
            end += (unsigned long)size;
            ++*count;
        }
        memcpy(out + *used, ring->data + (start & ring->mask), end - start);
        *used += end - start;
        ring->position = end;
        if (size < 0) {
            return -1;
        }
        if (size == 0 || *count >= limit) {
            return 0;
        }
        if (end - start >= RING_RUN) {
            continue;
        }
        if (!(header & RING_DISCARD)) {
            *wanted = (size_t)size;
            return 0;
        }
        ring->position += (unsigned long)size;
    }
}

/* ring_into(consumer, data, page_size, out, limit) -> (count, used)
 * Promise: `out` begins with `count` records as they stand in the ring: 8 bytes of header (u32 length, u32 of the
 * kernel's), the event, padding to 8. Order kept, discarded ones left out, consumer position stored once. */
static PyObject *ring_into(PyObject *module, PyObject *args)
{
    (void)module;
    struct ring ring;
    Py_buffer out;
    Py_ssize_t page, limit, count = 0;
    size_t used = 0, wanted = 0;
    if (!PyArg_ParseTuple(args, "w*y*nw*n:ring_into", &ring.consumer_page, &ring.data_pages, &page, &out, &limit)) {
        return NULL;
    }
    if (open_ring(&ring, page, &limit) < 0) {
        PyBuffer_Release(&out);
        return NULL;
    }
    int state;
    Py_BEGIN_ALLOW_THREADS
    state = copy_records(&ring, out.buf, (size_t)out.len, limit, &count, &used, &wanted);
    STORE_RELEASE(ring.consumer, ring.position);
    Py_END_ALLOW_THREADS
    Py_ssize_t room = out.len;
    PyBuffer_Release(&out);
    close_ring(&ring);
    if (state < 0 && count == 0) {
        ring_damaged();
        return NULL;
    }
    if (wanted && count == 0) {
        PyErr_Format(PyExc_ValueError, "a buffer of %zd bytes is too small: the next record takes %zu", room, wanted);
        return NULL;
    }
    return Py_BuildValue("(nn)", count, (Py_ssize_t)used);
}

/* ring_list(consumer, data, page_size, limit) -> list[bytes]
 * Promise: on any exception nothing was consumed; else the consumer position is stored once, after all copies. */
static PyObject *ring_list(PyObject *module, PyObject *args)
{
    (void)module;
    struct ring ring;
    Py_ssize_t page, limit;
    if (!PyArg_ParseTuple(args, "w*y*nn:ring_list", &ring.consumer_page, &ring.data_pages, &page, &limit) ||
        open_ring(&ring, page, &limit) < 0) {
        return NULL;
    }
    PyObject *events = PyList_New(0);
    long size = 0;
    uint32_t header;
    for (Py_ssize_t count = 0; events != NULL && count < limit; ring.position += (unsigned long)size) {
        size = record_at(&ring, ring.position, &header);
        if (size <= 0) {
            break;
        }
        if (header & RING_DISCARD) {
            continue;
        }
        const char *record = ring.data + (ring.position & ring.mask);
        PyObject *event = PyBytes_FromStringAndSize(record + RING_HEADER, (Py_ssize_t)(header & RING_LENGTH));
        if (event == NULL || PyList_Append(events, event) < 0) {
            Py_DecRef(events);
            events = NULL;
        }
        Py_DecRef(event);
        count++;
    }
    if (events != NULL && size < 0 && PyList_Size(events) == 0) {
        ring_damaged();
        Py_DecRef(events);
        events = NULL;
    }
    if (events != NULL) {
        STORE_RELEASE(ring.consumer, ring.position);
    }
    close_ring(&ring);
    return events;
}

/* ring_each(consumer, data, page_size, callback, limit) -> int
 * Promise: an event counts as delivered when the callback is called with it: the consumer position is moved past
 * it just before, so an exception, or a callback that drains the same ring, neither loses nor repeats one. */
static PyObject *ring_each(PyObject *module, PyObject *args)
{
    (void)module;
    struct ring ring;
    PyObject *callback;
    Py_ssize_t page, limit, count = 0;
    if (!PyArg_ParseTuple(args, "w*y*nOn:ring_each", &ring.consumer_page, &ring.data_pages, &page, &callback, &limit) ||
        open_ring(&ring, page, &limit) < 0) {
        return NULL;
    }
    bool failed = false;
    while (!failed && count < limit) {
        uint32_t header;
        long size = record_at(&ring, ring.position, &header);
        if (size <= 0) {
            failed = size < 0 && ring_damaged() < 0;
            break;
        }
        const char *record = ring.data + (ring.position & ring.mask);
        ring.position += (unsigned long)size;
        if (header & RING_DISCARD) {
            STORE_RELEASE(ring.consumer, ring.position);
            continue;
        }
        PyObject *event = PyBytes_FromStringAndSize(record + RING_HEADER, (Py_ssize_t)(header & RING_LENGTH));
        if (event == NULL) {
            failed = true;
            break;
        }
        STORE_RELEASE(ring.consumer, ring.position);
        PyObject *answer = PyObject_CallFunctionObjArgs(callback, event, NULL);
        Py_DecRef(event);
        count++;
        failed = answer == NULL;
        Py_DecRef(answer);
        /* The callback may have drained this ring itself, past the look this drain took at the producer. */
        unsigned long position = LOAD_ACQUIRE(ring.consumer);
        if (ring.producer - position > ring.producer - ring.position) {
            break;
        }
        ring.position = position;
    }
    close_ring(&ring);
    return failed ? NULL : PyLong_FromSsize_t(count);
}

/* ------------------------------------------------------------------ the perf event ring */

/* Where struct perf_event_mmap_page keeps its positions; the same on every architecture. */
#define PERF_HEAD 1024
#define PERF_TAIL 1032
#define PERF_RECORD_LOST 2
#define PERF_RECORD_SAMPLE 9

struct perf_header {
    uint32_t type;
    uint16_t misc;
    uint16_t size;
};

/* Copy `size` bytes at `position` of a ring of `mask + 1` bytes; perf rings are mapped once, so records wrap. */
static void copy_wrapped(char *to, const char *data, uint64_t mask, uint64_t position, size_t size)
{
    uint64_t start = position & mask;
    size_t first = size < mask + 1 - start ? size : (size_t)(mask + 1 - start);
    memcpy(to, data + start, first);
    memcpy(to + first, data, size - first);
}

/* The object one perf record becomes: bytes of a raw sample, the number of lost samples, or None for others. */
static PyObject *perf_record(const char *data, uint64_t mask, uint64_t position, const struct perf_header *header)
{
    uint64_t body = position + sizeof(*header);
    size_t room = header->size - sizeof(*header);
    if (header->type == PERF_RECORD_LOST && room >= 16) {
        uint64_t lost;
        copy_wrapped((char *)&lost, data, mask, body + 8, sizeof(lost));
        return PyLong_FromUnsignedLongLong(lost);
    }
    if (header->type != PERF_RECORD_SAMPLE || room < sizeof(uint32_t)) {
        Py_RETURN_NONE;
    }
    uint32_t size;
    copy_wrapped((char *)&size, data, mask, body, sizeof(size));
    if (size > room - sizeof(size)) {
        ring_damaged();
        return NULL;
    }
    PyObject *sample = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (sample != NULL) {
        copy_wrapped(PyBytes_AsString(sample), data, mask, body + sizeof(size), size);
    }
    return sample;
}

/* perf_list(ring, page_size, limit) -> list[bytes | int]
 * Promise: samples (PERF_SAMPLE_RAW alone) as bytes and lost counts as ints, in the ring's order; the tail is
 * stored once, after all copies; on any exception nothing was consumed. */
static PyObject *perf_list(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer view;
    Py_ssize_t page, limit;
    if (!PyArg_ParseTuple(args, "w*nn:perf_list", &view, &page, &limit)) {
        return NULL;
    }
    PyObject *events = NULL;
    uint64_t size = page >= PERF_TAIL + 8 && view.len > page ? (uint64_t)(view.len - page) : 0;
    if (size < sizeof(struct perf_header) || (size & (size - 1)) || (uintptr_t)view.buf % 8) {
        PyErr_SetString(PyExc_ValueError, "a perf ring is a page and a power-of-two size of data");
        goto out;
    }
    uint64_t *tail_place = (uint64_t *)((char *)view.buf + PERF_TAIL);
    const char *data = (const char *)view.buf + page;
    uint64_t head = LOAD_ACQUIRE((uint64_t *)((char *)view.buf + PERF_HEAD));
    uint64_t tail = *tail_place;
    bool sound = head - tail <= size;
    events = PyList_New(0);
    while (events != NULL && sound && tail != head && (limit < 0 || PyList_Size(events) < limit)) {
        struct perf_header header;
        sound = head - tail >= sizeof(header);
        if (sound) {
            copy_wrapped((char *)&header, data, size - 1, tail, sizeof(header));
            sound = header.size >= sizeof(header) && header.size <= head - tail;
        }
        if (!sound) {
            break;
        }
        PyObject *event = perf_record(data, size - 1, tail, &header);
        if (event == NULL || (event != Py_None && PyList_Append(events, event) < 0)) {
            Py_DecRef(events);
            events = NULL;
        }
        Py_DecRef(event);
        tail += header.size;
    }
    if (events != NULL && !sound) {
        ring_damaged();
        Py_DecRef(events);
        events = NULL;
    }
    if (events != NULL) {
        STORE_RELEASE(tail_place, tail);
    }
out:
    PyBuffer_Release(&view);
    return events;
}

/* ------------------------------------------------------------------ the BTF scan */

#define BTF_UNKNOWN_SIZE 0xff

/* btf_scan(types, swapped, sizes) -> (offsets, names, end)
 * Promise: the result of `scan_types` in btf/kinds.py, whose `Scan` is the contract: where each record begins (in
 * words), its name's offset, and where the walk ended. Reads no byte outside `types`, whatever stands in it. */
static PyObject *btf_scan(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer types, sizes;
    int swapped;
    if (!PyArg_ParseTuple(args, "y*py*:btf_scan", &types, &swapped, &sizes)) {
        return NULL;
    }
    PyObject *result = NULL;
    uint32_t *offset = NULL;
    const uint32_t *word = types.buf;
    const uint8_t *size = sizes.buf;
    size_t words = (size_t)types.len / 4, at = 0, count = 0;
    if (types.len % 4 || (uintptr_t)word % 4 || words > UINT32_MAX || sizes.len != 256) {
        PyErr_SetString(PyExc_ValueError, "a type section is whole, aligned words; a size table has 256 bytes");
        goto out;
    }
    /* A record has at least three words: room for as many as there can be, offsets first, then names. */
    offset = PyMem_Malloc(words / 3 * 8 + 1);
    if (offset == NULL) {
        PyErr_NoMemory();
        goto out;
    }
    uint32_t *name = offset + words / 3;
    while (words - at >= 3) {
        uint32_t info = swapped ? __builtin_bswap32(word[at + 1]) : word[at + 1];
        uint32_t kind = info >> 24 & 0x7f;
        uint64_t record = 3 + size[2 * kind] / 4 + (uint64_t)(info & 0xffffff) * (size[2 * kind + 1] / 4);
        if (size[2 * kind] == BTF_UNKNOWN_SIZE || record > words - at) {
            break;
        }
        offset[count] = (uint32_t)at;
        name[count++] = swapped ? __builtin_bswap32(word[at]) : word[at];
        at += (size_t)record;
    }
    result = Py_BuildValue("(y#y#n)", offset, (Py_ssize_t)count * 4, name, (Py_ssize_t)count * 4, (Py_ssize_t)at);
out:
    PyMem_Free(offset);
    PyBuffer_Release(&types);
    PyBuffer_Release(&sizes);
    return result;
}

/* ------------------------------------------------------------------ the module */

static PyMethodDef module_methods[] = {
    {"bpf", bpf, METH_VARARGS, NULL},
    {"perf_event_open", perf_event_open, METH_VARARGS, NULL},
    {"ring_into", ring_into, METH_VARARGS, NULL},
    {"ring_list", ring_list, METH_VARARGS, NULL},
    {"ring_each", ring_each, METH_VARARGS, NULL},
    {"perf_list", perf_list, METH_VARARGS, NULL},
    {"btf_scan", btf_scan, METH_VARARGS, NULL},
    {0},
};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &entries_spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int result = PyModule_AddObjectRef(module, "Entries", type);
    Py_DecRef(type);
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
