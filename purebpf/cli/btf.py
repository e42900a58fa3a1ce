"""`purebpf btf c|json|min`: the types of an object, of a kernel, of a module or of a BTF file.

Rules: nothing here needs a privilege. FILE is anything that holds BTF: raw, or an ELF file's .BTF section; the word
`running` is the kernel's own. Types are named as in C ('task_struct', or 'struct task_struct' where a name is not
enough).
"""

import argparse
import os

from purebpf.btf import Btf
from purebpf.cli.output import STANDARD_OUTPUT, write_output

RUNNING = "running"
_KERNEL_FOLDER = "/sys/kernel/btf"
_VMLINUX = f"{_KERNEL_FOLDER}/vmlinux"


def btf(arguments: argparse.Namespace) -> int:
    """Run the command."""
    if arguments.form == "c":
        return _c(arguments)
    if arguments.form == "min":
        from purebpf.cli.btf_min import btf_min

        return btf_min(arguments)
    return _json(arguments)


def _c(arguments: argparse.Namespace) -> int:
    from purebpf.gen.header import header, ids_named

    types = read_types(arguments.file, arguments.base)
    wanted = ids_named(types, arguments.type) if arguments.type else None
    text = header(types, wanted)
    write_output(arguments.output, text.encode("utf-8", "surrogateescape"), force=arguments.force)
    return 0


def _json(arguments: argparse.Namespace) -> int:
    import json

    from purebpf.gen.header import ids_named
    from purebpf.gen.type_json import TypesJson

    types = read_types(arguments.file, arguments.base)
    shown = list(map(TypesJson(types).shown, ids_named(types, arguments.name, everything=True)))
    text = json.dumps({"file": arguments.file, "types": shown}, indent=2) + "\n"
    write_output(STANDARD_OUTPUT, text.encode(), force=False)
    return 0


def read_types(file: str, base: str | None = None) -> Btf:
    """The BTF that `file` holds, or of the running kernel; a kernel module's is read with the kernel's as its base."""
    from purebpf.host.btf_tree import read_kernel_file

    path = _VMLINUX if file == RUNNING else file
    if base is None and os.path.dirname(path) == _KERNEL_FOLDER and path != _VMLINUX:
        base = _VMLINUX
    return read_kernel_file(path, base=None if base is None else read_types(base), alone=True, pipes=True)
