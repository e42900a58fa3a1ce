"""The kernel's own symbols, /proc/kallsyms.

A kernel has 120 000 to 250 000 of them in 5 to 10 MB of text, which the kernel takes 30 to 60 ms to print. The
text is therefore read once for a question and searched as bytes; no object is made for a line nobody asked for.
It is not remembered across questions, as modules come and go.

A reader without CAP_SYSLOG sees every address as 0 (kernel.kptr_restrict); the names are there all the same.
"""

from __future__ import annotations

import errno

from purebpf.errors import KernelError, NotPermitted
from purebpf.frozen import Frozen, field
from purebpf.near import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXT_KINDS = frozenset("tTwW")


class KernelSymbol(Frozen):
    """One line of kallsyms. `kind` is nm's letter; `module` is '' for the kernel itself."""

    name: str
    address: int
    kind: str
    module: str

    @property
    def is_code(self) -> bool:
        """Whether it is a function rather than data."""
        return self.kind in _TEXT_KINDS


class Kallsyms(Frozen):
    """The text of /proc/kallsyms and questions about it."""

    text: bytes = field(repr=False)

    def find(self, name: str) -> tuple[KernelSymbol, ...]:
        """Every symbol of that name: static functions of different files may share one."""
        needle = b" " + name.encode()
        found = []
        at = self.text.find(needle)
        while at >= 0:
            end = at + len(needle)
            if self.text[end : end + 1] in (b"\n", b"\t", b""):
                symbol = _parse(self.text[self.text.rfind(b"\n", 0, at) + 1 : _line_end(self.text, end)])
                if symbol is not None and symbol.name == name:
                    found.append(symbol)
            at = self.text.find(needle, end)
        return tuple(found)

    def addresses(self, name: str) -> tuple[int, ...]:
        """Where the symbols of that name lie; `NotPermitted` if the kernel hides addresses from this process.

        Data that clang made local under link-time optimisation counts by the name it had ('name.llvm.123').
        """
        found = [symbol.address for symbol in self.find(name)]
        renamed = b" d " + name.encode() + b".llvm."
        if renamed in self.text:
            import re

            others = set(re.findall(rb" d (%b\.llvm\.\w+)" % re.escape(name.encode()), self.text))
            found += [symbol.address for other in others for symbol in self.find(other.decode())]
        # A few symbols do lie at 0 (per-CPU data of older kernels), the beginning of the kernel never does.
        if found and not any(found) and not any(symbol.address for symbol in self.find("_text")):
            raise NotPermitted(
                "read the address of kernel symbol",
                name,
                errno.EPERM,
                reason="/proc/kallsyms shows every address as 0",
                evidence=["kernel.kptr_restrict hides them from processes without CAP_SYSLOG, 2 from all"],
                remedy="run with CAP_SYSLOG, or sysctl kernel.kptr_restrict=0",
            )
        return tuple(found)

    def functions(self) -> Iterator[str]:
        """Names of all functions, in the file's order."""
        for line in self.text.split(b"\n"):
            fields = line.split(None, 3)
            if len(fields) >= 3 and fields[1] in (b"t", b"T", b"w", b"W"):
                yield fields[2].decode(errors="replace")

    def tracepoints(self) -> list[str]:
        """Names of the kernel's tracepoints, without their categories; needs no tracefs.

        Each has a function that calls its programs (since 5.10), and a variable, which only CONFIG_KALLSYMS_ALL shows.
        """
        import re

        found = re.findall(rb" __trace(?:iter|point)_(\w+)", self.text)
        return sorted({name.decode(errors="replace") for name in found})

    def did_you_mean(self, name: str) -> list[str]:
        """A line of evidence naming functions like `name`, or none."""
        return did_you_mean(name, self.functions())


def read_kallsyms(path: str = "/proc/kallsyms") -> Kallsyms:
    """Read the symbols of the running kernel; about 50 ms."""
    try:
        with open(path, "rb") as file:
            return Kallsyms(file.read())
    except OSError as error:
        remedy = "the kernel needs CONFIG_KALLSYMS, and /proc must be mounted"
        raise KernelError("read the kernel's symbols", path, error.errno or 0, remedy=remedy) from error


def _line_end(text: bytes, at: int) -> int:
    end = text.find(b"\n", at)
    return len(text) if end < 0 else end


def _parse(line: bytes) -> KernelSymbol | None:
    fields = line.split()
    if len(fields) not in (3, 4):
        return None
    try:
        address = int(fields[0], 16)
    except ValueError:
        return None
    module = fields[3].decode(errors="replace").strip("[]") if len(fields) == 4 else ""
    return KernelSymbol(fields[2].decode(errors="replace"), address, fields[1].decode(errors="replace"), module)
