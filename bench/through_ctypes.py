"""The way that purebpf replaces: libbpf.so called through ctypes, a ring buffer's callback given the event's bytes.

python -m bench.through_ctypes ring FILE COUNT SIZE
"""

from __future__ import annotations

import ctypes
import sys
from time import thread_time_ns

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_NO_WAKEUP = 1


class _Arguments(ctypes.Structure):
    _fields_ = (("count", ctypes.c_uint64), ("size", ctypes.c_uint64), ("flags", ctypes.c_uint64))


class _TestRun(ctypes.Structure):
    """struct bpf_test_run_opts."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("data_in", ctypes.c_void_p),
        ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_void_p),
        ("ctx_out", ctypes.c_void_p),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("repeat", ctypes.c_int),
        ("duration", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    )


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libbpf.so.1", use_errno=True)
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, *arguments in (
        ("bpf_object__open_file", pointer, text, pointer),
        ("bpf_object__load", ctypes.c_int, pointer),
        ("bpf_object__close", None, pointer),
        ("bpf_object__find_map_fd_by_name", ctypes.c_int, pointer, text),
        ("bpf_object__find_program_by_name", pointer, pointer, text),
        ("bpf_program__fd", ctypes.c_int, pointer),
        ("bpf_prog_test_run_opts", ctypes.c_int, ctypes.c_int, ctypes.POINTER(_TestRun)),
        ("ring_buffer__new", pointer, ctypes.c_int, _CALLBACK, pointer, pointer),
        ("ring_buffer__consume", ctypes.c_int, pointer),
        ("ring_buffer__free", None, pointer),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def ring(path: str, count: int, size: int) -> dict[str, int]:
    """Time of one pass over `count` events of `size` bytes, each handed to Python as bytes."""
    library = _library()
    loaded = library.bpf_object__open_file(path.encode(), None)
    if not loaded or library.bpf_object__load(loaded):
        raise OSError(ctypes.get_errno(), f"libbpf cannot load {path}")
    arguments = _Arguments(count, size, _NO_WAKEUP)
    run = _TestRun(sz=ctypes.sizeof(_TestRun))
    run.ctx_in, run.ctx_size_in = ctypes.addressof(arguments), ctypes.sizeof(arguments)
    emit = library.bpf_program__fd(library.bpf_object__find_program_by_name(loaded, b"emit"))
    events: list[bytes] = []
    append, string_at = events.append, ctypes.string_at

    def take(_context: int, data: int, length: int) -> int:
        append(string_at(data, length))
        return 0

    callback = _CALLBACK(take)
    reader = library.ring_buffer__new(library.bpf_object__find_map_fd_by_name(loaded, b"events"), callback, None, None)
    spent = 0
    for _ in range(2):  # As in peer.c: the first pass is not measured.
        events.clear()
        if library.bpf_prog_test_run_opts(emit, ctypes.byref(run)):
            raise OSError(ctypes.get_errno(), "cannot run the program 'emit'")
        start = thread_time_ns()
        library.ring_buffer__consume(reader)
        spent = thread_time_ns() - start
    library.ring_buffer__free(reader)
    library.bpf_object__close(loaded)
    total = sum(int.from_bytes(event[:8], sys.byteorder) for event in events)
    return {"callback": spent, "count": len(events), "sum": total}


if __name__ == "__main__":
    for label, figure in ring(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])).items():
        print(label, figure)
