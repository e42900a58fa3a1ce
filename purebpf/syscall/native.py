"""What other packages use of the C extension, which only `purebpf.syscall` imports; `_fastpath.pyi` documents it."""

from purebpf._fastpath import Entries, Subscripts, btf_scan, perf_list, ring_each, ring_into, ring_list

__all__ = ["Entries", "Subscripts", "btf_scan", "perf_list", "ring_each", "ring_into", "ring_list"]
