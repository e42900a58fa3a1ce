"""What a plan knows of the kernel it is made for.

A `Target` is a frozen description. What is expensive to find out (a feature of the running kernel, its 5 MB of
BTF) stands in it as a callable that remembers its answer, so that nothing is probed or read that no object asked
for. This module touches no kernel: `purebpf.host.target` fills in those callables for the running one, and
`Target.from_btf` describes any kernel by its BTF file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from purebpf.btf import Btf
    from purebpf.units import ByteOrder

_BTF_MAGIC = {b"\x9f\xeb": "little", b"\xeb\x9f": "big"}


class Feature(Enum):
    """An ability of a kernel on which a plan depends: `.text`, and for messages `.since` and `.config`."""

    PROG_NAME = ("names of programs and maps", "4.15")
    GLOBAL_DATA = ("global variables", "5.2")
    BTF = ("type information (BTF) of programs", "4.18")
    BTF_FUNC = ("BTF of functions", "5.0")
    BTF_DATASEC = ("BTF of global variables", "5.2")
    BTF_GLOBAL_FUNC = ("BTF linkage of functions", "5.6")
    BTF_FLOAT = ("BTF of floating-point types", "5.13")
    BTF_DECL_TAG = ("BTF declaration tags", "5.16")
    BTF_TYPE_TAG = ("BTF type tags", "5.17")
    BTF_ENUM64 = ("BTF of 64-bit enumerations", "6.0")
    BTF_QMARK_DATASEC = ("BTF data sections with '?' in their name", "6.9")
    BTF_LAYOUT = ("the layout section of BTF", "7.1")
    ARRAY_MMAP = ("array maps in a process's memory", "5.5")
    EXP_ATTACH_TYPE = ("the expected attach type of a program", "4.17")
    PROBE_READ_KERNEL = ("bpf_probe_read_kernel() and its siblings", "5.5")
    PROG_BIND_MAP = ("binding a map to a program", "5.10")
    MODULE_BTF = ("BTF of kernel modules", "5.11")
    PERF_LINK = ("links to perf events", "5.15")
    MEMCG_ACCOUNT = ("accounting of BPF memory by cgroup", "5.11")
    BPF_COOKIE = ("BPF cookies", "5.15")
    UPROBE_MULTI_LINK = ("links to many uprobes at once", "6.6", "CONFIG_UPROBES")

    # The one of Enum hashes the name in Python: 0.3 us a question, and a load asks fifteen.
    __hash__ = object.__hash__

    def __init__(self, text: str, since: str, config: str | None = None) -> None:
        self.text = text
        self.since = since
        self.config = config


@dataclass(frozen=True, slots=True)
class Target:
    """One kernel. `kernel_version` is encoded as the kernel's KERNEL_VERSION() does.

    `features` is a mapping, in which a feature that is not named is taken to be there, or a function. `read_btf`
    gives the kernel's BTF, None where it has none; both may be slow the first time and are not the second.
    """

    name: str
    release: str
    kernel_version: int
    byteorder: ByteOrder
    page_size: int = 4096
    possible_cpus: int = 1
    features: Mapping[Feature, bool] | Callable[[Feature], bool] = field(default_factory=dict, repr=False)
    read_btf: Callable[[], Btf | None] = field(default=lambda: None, repr=False, compare=False)

    def supports(self, feature: Feature) -> bool:
        """Whether the kernel has `feature`.

        For the running kernel the first question probes it, and raises `NotPermitted` rather than guess where
        this process may not even try.
        """
        if callable(self.features):
            return self.features(feature)
        return self.features.get(feature, True)

    @property
    def btf(self) -> Btf | None:
        """The kernel's own types, None where it was built without CONFIG_DEBUG_INFO_BTF."""
        return self.read_btf()

    @classmethod
    def from_btf(
        cls,
        source: str | PathLike[str] | bytes | bytearray | memoryview,
        *,
        release: str = "",
        name: str | None = None,
        page_size: int = 4096,
        possible_cpus: int = 1,
        features: Mapping[Feature, bool] | None = None,
    ) -> Target:
        """Describe the kernel whose BTF stands in `source`, a path or the bytes; raises `BtfError`.

        `release` is its `uname -r`, for what depends on the version. A feature that `features` does not name is
        taken to be there.
        """
        from purebpf.btf import Btf

        if isinstance(source, bytes | bytearray | memoryview):
            data, label = bytes(source), "<bytes>"
        else:
            with open(source, "rb") as file:
                data, label = file.read(), str(source)
        return cls(
            name=name if name is not None else release or label,
            release=release,
            kernel_version=encode_version(release),
            byteorder="big" if _BTF_MAGIC.get(data[:2]) == "big" else "little",
            page_size=page_size,
            possible_cpus=possible_cpus,
            features=dict(features or {}),
            read_btf=cache(lambda: Btf.parse(data, name=label)),
        )


def encode_version(release: str) -> int:
    """KERNEL_VERSION() of a release such as '6.1.0-9-amd64'; 0 for a text that starts with no version.

    The last number has 8 bits: the kernel stops at 255 (4.14.256 and 4.9.256 had not the room), and so does this.
    """
    match = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?", release)
    if match is None:
        return 0
    major, minor, patch = (int(part or 0) for part in match.groups())
    return (major << 16) | (min(minor, 255) << 8) | min(patch, 255)
