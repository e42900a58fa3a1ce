"""Ratios of purebpf's CPU time to libbpf's, in C and through ctypes, for the same work in the same run."""
