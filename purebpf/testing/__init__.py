"""Hypothesis strategies for object files and their parts, for tests of purebpf and of programs that use it.

    from hypothesis import given
    from purebpf.testing import damaged, elf_files

    @given(damaged(elf_files()))
    def test_my_tool_survives_any_file(data: bytes) -> None: ...

Strategies of whole files give bytes; `*_contents` give what such bytes are written from, so that a test can
compare. Files are small and made to cover shapes (both byte orders, every kind, odd names), not to load.
"""

try:
    import hypothesis as _hypothesis  # noqa: F401
except ImportError as error:
    raise ImportError("purebpf.testing needs hypothesis: pip install 'purebpf[testing]'") from error

from purebpf.testing.btf import BtfContents, btf_contents, btf_files, btf_types
from purebpf.testing.damage import damaged
from purebpf.testing.elf import ElfContents, elf_contents, elf_files
from purebpf.testing.insn import code, instructions
from purebpf.testing.objects import object_files

__all__ = [
    "BtfContents",
    "ElfContents",
    "btf_contents",
    "btf_files",
    "btf_types",
    "code",
    "damaged",
    "elf_contents",
    "elf_files",
    "instructions",
    "object_files",
]
