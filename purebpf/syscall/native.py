"""What other packages use of the C extension, which only `purebpf.syscall` imports; `_fastpath.pyi` documents it."""

from purebpf._fastpath import Entries, btf_scan, find, map_file, perf_take, ring_each, ring_into, ring_list

__all__ = ["Entries", "btf_scan", "find", "map_file", "perf_take", "ring_each", "ring_into", "ring_list"]
