"""Where purebpf means to differ from libbpf, each with its reason; docs/corpus.md tells the same at more length.

An entry says which differences it explains by what differs and by patterns of the two answers. `./dev corpus` names the
entries that explain nothing any more.
"""

import re
from dataclasses import dataclass
from typing import Final

from tools.corpus.compare import Difference


@dataclass(frozen=True, slots=True)
class Explanation:
    """`what` a difference is called; patterns searched in libbpf's answer, purebpf's and the object's name."""

    what: str
    reason: str
    libbpf: str = ""
    purebpf: str = ""
    object: str = ""

    def fits(self, difference: Difference) -> bool:
        """Whether it is the reason of a difference."""
        return (
            self.what == difference.what
            and re.search(self.libbpf, difference.libbpf) is not None
            and re.search(self.purebpf, difference.purebpf) is not None
            and re.search(self.object, difference.object) is not None
        )


EXPLAINED: Final = (
    Explanation(
        "MAP_CREATE btf",
        "libbpf names the object's types for a map that has no type ids; the kernel does not look at them then",
        libbpf="^btf$",
        purebpf="^$",
    ),
    Explanation(
        "opened",
        "libbpf opens objects of its own byte order only; purebpf looks at both",
        libbpf="endianness mismatch",
    ),
    Explanation(
        "opened",
        "libbpf dropped the legacy map section with 1.0; old objects need it",
        libbpf="legacy map definitions",
    ),
    Explanation(
        "accepted",
        "libbpf resolves every extern of the file; purebpf those that a loaded program reaches",
        libbpf=r"extern .*(not found in kernel or module BTFs|\(strong\): not resolved)",
    ),
    Explanation(
        "opened",
        "one of several files that are meant to be linked: purebpf shows it, and refuses to load what it lacks",
        libbpf=r"failed to find BTF for extern|unrecognized extern section '\.maps'",
        object="linked_|subskeleton_lib|usdt_multispec",
    ),
    Explanation(
        "opened",
        "Debian's bpftool links maps to a place where the types say none is: purebpf refuses to load it instead",
        libbpf="map relo failed to find map",
        object="^linked-6.1/linked_maps",
    ),
    Explanation(
        "PROG_LOAD kernel_version",
        "libbpf 1.1 does not know that Debian tells the last number of its version elsewhere; used before 5.0 only",
        libbpf="^(393472|396288)$",
    ),
    Explanation(
        "MAP_UPDATE value",
        "LINUX_HAS_SYSCALL_WRAPPER: libbpf asks by a kprobe, which a kernel without them refuses; purebpf by symbols",
        libbpf="^00$",
        purebpf="^01$",
    ),
    Explanation(
        "PROG_LOAD code",
        "variables of an arena: at its start before libbpf 1.7, now at its end where the kernel takes the offset",
        object=r"(^|/)(verifier_)?arena_",
    ),
    Explanation(
        "refused",
        "a kernel before 6.4 knows no struct_ops for links: libbpf has it refuse the map, purebpf says so",
        purebpf="struct_ops that a link registers",
    ),
    Explanation(
        "PROG_LOAD expected_attach_type",
        "a USDT probe is one link where the kernel links many uprobes at once: libbpf before 1.3 makes many",
        libbpf="^0$",
        purebpf="^48$",
        object="usdt",
    ),
    *(
        Explanation(
            f"PROG_LOAD {what}",
            "an exception callback is appended to its program: libbpf before 1.3 knows none",
            object="exceptions",
        )
        for what in ("code", "func_info", "line_info")
    ),
)
"""The whole table."""


def explain(difference: Difference) -> Explanation | None:
    """The entry that explains a difference."""
    return next((entry for entry in EXPLAINED if entry.fits(difference)), None)
