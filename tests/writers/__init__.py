"""Object files from Python literals, for tests that need no compiler."""

from tests.writers.object import R_BPF_64_32, R_BPF_64_64, ObjectWriter
from tests.writers.typed import TypedObjectWriter

__all__ = ["R_BPF_64_32", "R_BPF_64_64", "ObjectWriter", "TypedObjectWriter"]
