/* The part of the C extension that works on memory alone: the rings shared with the kernel, and the BTF scan.
 *
 * No function here makes a system call, so each can be tried on plain buffers. The rules of _fastpath.c hold. The
 * order of memory accesses is why the rings are C: a record's header is loaded with acquire before its bytes are
 * read, and the consumer's position is stored with release after they were copied.
 */
#include "_fastpath.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Builtins of GCC and Clang, without which the rings cannot be shared with the kernel. */
#define PREFETCH(address) __builtin_prefetch(address)
#define LOAD_ACQUIRE(place) __atomic_load_n(place, __ATOMIC_ACQUIRE)
#define STORE_RELEASE(place, value) __atomic_store_n(place, value, __ATOMIC_RELEASE)

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

static void *ring_damaged(void)
{
    PyObject *problem = Py_BuildValue("(is)", EBADMSG, "the ring holds an impossible length or position");
    PyErr_SetObject(PyExc_OSError, problem);
    Py_DecRef(problem);
    return NULL;
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
        if (size <= 0 || *count >= limit) {
            return size < 0 ? -1 : 0;
        }
        if (end - start < RING_RUN) {
            if (!(header & RING_DISCARD)) {
                *wanted = (size_t)size;
                return 0;
            }
            ring->position += (unsigned long)size;
        }
    }
}

/* ring_into(consumer, data, page_size, out, limit) -> (count, used)
 * Promise: `out` begins with `count` records as they stand in the ring: 8 bytes of header (u32 length, u32 of the
 * kernel's), the event, padding to 8. Order kept, discarded ones left out, consumer position stored once. */
PyObject *fastpath_ring_into(PyObject *Py_UNUSED(module), PyObject *args)
{
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
        return ring_damaged();
    }
    if (wanted && count == 0) {
        PyErr_Format(PyExc_ValueError, "a buffer of %zd bytes is too small: the next record takes %zu", room, wanted);
        return NULL;
    }
    return Py_BuildValue("(nn)", count, (Py_ssize_t)used);
}

/* The next finished event, and the position moved past it and past discarded ones before it. NULL where there is
 * none, with an exception if the ring is damaged or memory is short. */
static PyObject *next_event(struct ring *ring)
{
    uint32_t header;
    long size;
    while ((size = record_at(ring, ring->position, &header)) > 0 && (header & RING_DISCARD)) {
        ring->position += (unsigned long)size;
    }
    if (size <= 0) {
        return size < 0 ? ring_damaged() : NULL;
    }
    const char *record = ring->data + (ring->position & ring->mask);
    PyObject *event = PyBytes_FromStringAndSize(record + RING_HEADER, (Py_ssize_t)(header & RING_LENGTH));
    ring->position += event != NULL ? (unsigned long)size : 0;
    return event;
}

/* ring_list(consumer, data, page_size, limit) -> list[bytes]
 * Promise: on any exception nothing was consumed; else the consumer position is stored once, after all copies. */
PyObject *fastpath_ring_list(PyObject *Py_UNUSED(module), PyObject *args)
{
    struct ring ring;
    Py_ssize_t page, limit;
    if (!PyArg_ParseTuple(args, "w*y*nn:ring_list", &ring.consumer_page, &ring.data_pages, &page, &limit) ||
        open_ring(&ring, page, &limit) < 0) {
        return NULL;
    }
    PyObject *event, *events = PyList_New(0);
    Py_ssize_t count = 0;
    while (events != NULL && count < limit && (event = next_event(&ring)) != NULL) {
        PyList_Append(events, event);
        Py_DecRef(event);
        count = PyErr_Occurred() ? limit : count + 1;
    }
    /* What stands before an impossible length is good; the next call begins with the damage, and raises. */
    if (count > 0 && PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_OSError)) {
        PyErr_Clear();
    }
    if (PyErr_Occurred()) {
        Py_DecRef(events);
        events = NULL;
    } else {
        STORE_RELEASE(ring.consumer, ring.position);
    }
    close_ring(&ring);
    return events;
}

/* ring_each(consumer, data, page_size, callback, limit) -> int
 * Promise: an event counts as delivered when the callback is called with it: the consumer position is moved past
 * it just before, so an exception, or a callback that drains the same ring, neither loses nor repeats one. */
PyObject *fastpath_ring_each(PyObject *Py_UNUSED(module), PyObject *args)
{
    struct ring ring;
    PyObject *callback, *event;
    Py_ssize_t page, limit, count = 0;
    if (!PyArg_ParseTuple(args, "w*y*nOn:ring_each", &ring.consumer_page, &ring.data_pages, &page, &callback, &limit) ||
        open_ring(&ring, page, &limit) < 0) {
        return NULL;
    }
    bool going = true;
    while (going && count < limit && (event = next_event(&ring)) != NULL) {
        STORE_RELEASE(ring.consumer, ring.position);
        PyObject *answer = PyObject_CallFunctionObjArgs(callback, event, NULL);
        Py_DecRef(event);
        Py_DecRef(answer);
        count++;
        /* The callback may have drained this ring itself, past the look this drain took at the producer. */
        unsigned long position = LOAD_ACQUIRE(ring.consumer);
        going = answer != NULL && ring.producer - position <= ring.producer - ring.position;
        ring.position = position;
    }
    STORE_RELEASE(ring.consumer, ring.position);
    close_ring(&ring);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(count);
}

/* ------------------------------------------------------------------ the perf event ring */

/* Where struct perf_event_mmap_page keeps its positions; the same on every architecture. */
#define PERF_HEAD 1024
#define PERF_TAIL 1032

/* perf_take(ring, page_size) -> bytes
 * Promise: all bytes that are there, in one piece although the ring wraps around (it is mapped once); the tail is
 * stored after the copy. The kernel moves the head by whole records. */
PyObject *fastpath_perf_take(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer view;
    Py_ssize_t page;
    if (!PyArg_ParseTuple(args, "w*n:perf_take", &view, &page)) {
        return NULL;
    }
    PyObject *taken = NULL;
    uint64_t size = page >= PERF_TAIL + 8 && view.len > page ? (uint64_t)(view.len - page) : 0;
    if (size == 0 || (size & (size - 1)) || (uintptr_t)view.buf % 8) {
        PyErr_SetString(PyExc_ValueError, "a perf ring is a page and a power-of-two size of data");
        goto out;
    }
    char *memory = view.buf;
    uint64_t head = LOAD_ACQUIRE((uint64_t *)(memory + PERF_HEAD));
    uint64_t tail = *(uint64_t *)(memory + PERF_TAIL);
    if (head - tail > size) {
        ring_damaged();
        goto out;
    }
    size_t left = (size_t)(head - tail), start = (size_t)(tail & (size - 1));
    taken = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)left);
    if (taken != NULL) {
        size_t first = left < size - start ? left : (size_t)size - start;
        memcpy(PyBytes_AsString(taken), memory + page + start, first);
        memcpy(PyBytes_AsString(taken) + first, memory + page, left - first);
        STORE_RELEASE((uint64_t *)(memory + PERF_TAIL), head);
    }
out:
    PyBuffer_Release(&view);
    return taken;
}

/* ------------------------------------------------------------------ the BTF scan */

#define BTF_UNKNOWN_SIZE 0xff

/* btf_scan(types, swapped, sizes) -> (offsets, names, end)
 * Promise: the result of `scan_types` in btf/kinds.py, whose `Scan` is the contract: where each record begins (in
 * words), its name's offset, and where the walk ended. Reads no byte outside `types`, whatever stands in it. */
PyObject *fastpath_btf_scan(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer types, sizes;
    int swapped;
    if (!PyArg_ParseTuple(args, "y*py*:btf_scan", &types, &swapped, &sizes)) {
        return NULL;
    }
    PyObject *result = NULL, *offsets = NULL, *names = NULL;
    const char *section = types.buf;
    const uint8_t *size = sizes.buf;
    size_t words = (size_t)types.len / 4, at = 0, count = 0;
    if (types.len % 4 || words > UINT32_MAX || sizes.len != 256) {
        PyErr_SetString(PyExc_ValueError, "a type section is whole words; a size table has 256 bytes");
        goto out;
    }
    /* A record has at least three words: room for as many as there can be. Memory that is not used is never touched. */
    offsets = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)(words / 3 * 4));
    names = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)(words / 3 * 4));
    if (offsets == NULL || names == NULL) {
        goto out;
    }
    uint32_t *offset = (uint32_t *)(void *)PyByteArray_AsString(offsets);
    uint32_t *name = (uint32_t *)(void *)PyByteArray_AsString(names);
    while (words - at >= 3) {
        uint32_t head[2];
        memcpy(head, section + at * 4, sizeof(head)); /* a slice of a file may begin anywhere */
        uint32_t info = swapped ? __builtin_bswap32(head[1]) : head[1], kind = info >> 24 & 0x7f;
        uint64_t record = 3 + size[2 * kind] / 4 + (uint64_t)(info & 0xffffff) * (size[2 * kind + 1] / 4);
        if (size[2 * kind] == BTF_UNKNOWN_SIZE || record > words - at) {
            break;
        }
        offset[count] = (uint32_t)at;
        name[count++] = swapped ? __builtin_bswap32(head[0]) : head[0];
        at += (size_t)record;
    }
    if (!PyByteArray_Resize(offsets, (Py_ssize_t)count * 4) && !PyByteArray_Resize(names, (Py_ssize_t)count * 4)) {
        result = Py_BuildValue("(OOn)", offsets, names, (Py_ssize_t)at);
    }
out:
    Py_XDECREF(offsets);
    Py_XDECREF(names);
    PyBuffer_Release(&types);
    PyBuffer_Release(&sizes);
    return result;
}

/* find(where, what, start, end) -> int
 * Promise: bytes.find of what lies in memory: the first place from `start` on of `what` that ends by `end`, or -1. */
PyObject *fastpath_find(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer where, what;
    Py_ssize_t start, end;
    if (!PyArg_ParseTuple(args, "y*y*nn:find", &where, &what, &start, &end)) {
        return NULL;
    }
    const char *memory = where.buf, *place = NULL;
    if (0 <= start && start <= end && end <= where.len) {
        place = memmem(memory + start, (size_t)(end - start), what.buf, (size_t)what.len);
    }
    PyBuffer_Release(&where);
    PyBuffer_Release(&what);
    return PyLong_FromSsize_t(place != NULL ? place - memory : -1);
}
