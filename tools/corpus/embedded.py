"""BPF objects in packages: plain .o files, and the ELF images that bpftool's skeletons put into programs."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from struct import unpack_from

from tools.corpus.packages import unpacked

PACKAGES = (
    "libbpf-tools",
    "xdp-tools",
    "libxdp1",
    "libknot13",
    "pcp",
    "xdp-tests",
    "golang-github-cilium-ebpf-dev",
    "ir-keytable",
    "qemu-system-x86",
)
EM_BPF = 247
ET_REL = 1
_ELF = b"\x7fELF"
_BIG_ENDIAN = 2


def shipped(package: str, folder: Path) -> list[Path]:
    """Put the objects of a package into `folder`, each distinct one once, named after the file that has it."""
    known: set[str] = set()
    found = []
    for path in sorted(unpacked(package).rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        for number, image in enumerate(images(path.read_bytes())):
            digest = hashlib.sha256(image).hexdigest()
            if digest in known:
                continue
            known.add(digest)
            stem = path.name.removesuffix(".o").removesuffix(".bpf")
            target = folder / f"{stem}{f'.{number}' if number else ''}.bpf.o"
            target.write_bytes(image)
            found.append(target)
    return found


def images(data: bytes) -> Iterator[bytes]:
    """Every relocatable BPF file in `data`, of either byte order, from its magic number to its section headers' end."""
    at = data.find(_ELF)
    while at >= 0:
        header = data[at : at + 64].ljust(64, b"\0")
        order = ">" if header[5] == _BIG_ENDIAN else "<"
        kind, machine = unpack_from(order + "HH", header, 16)
        if kind == ET_REL and machine == EM_BPF:
            (headers,) = unpack_from(order + "Q", header, 40)
            entry_size, count = unpack_from(order + "HH", header, 58)
            yield data[at : at + headers + entry_size * count]
        at = data.find(_ELF, at + 4)
