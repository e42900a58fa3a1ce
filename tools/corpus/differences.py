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
    """`what` a difference is called; patterns searched in libbpf's answer, purebpf's and the object's name.

    `version` is the one of libbpf that it is about, any if empty.
    """

    what: str
    reason: str
    libbpf: str = ""
    purebpf: str = ""
    object: str = ""
    version: str = ""

    def fits(self, difference: Difference, version: str) -> bool:
        """Whether it is the reason of a difference from that version of libbpf."""
        return (
            self.what == difference.what
            and self.version in ("", version)
            and re.search(self.libbpf, difference.libbpf) is not None
            and re.search(self.purebpf, difference.purebpf) is not None
            and re.search(self.object, difference.object) is not None
        )


_AFTER_1_1: Final = (
    r"(netfilter|kprobe\.session|u(ret)?probe\.multi(\.s)?|usdt\.s|struct_ops\.s|tcx?/(in|e)gress|netkit/(peer|primary)"
    r"|sk_skb/verdict|cgroup/(connect|sendmsg|recvmsg|getpeername|getsockname)_unix)"
)
_AFTER_1_5: Final = (
    r"(uprobe\.session(\.s)?|(tracepoint|tp|raw_tracepoint|raw_tp|tp_btf)\.s|fsession(\.s)?"
    r"|f(entry|exit|session)\.multi(\.s)?)"
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
        libbpf=r"extern .*(not found in kernel or module BTFs|\(strong\): not resolved)"
        r"|extern \(var ksym\) '[^']*': (not found in kernel BTF|incompatible types, expected \[)",
    ),
    Explanation(
        "opened",
        "one of several files that are meant to be linked, or a file with externs and without types: purebpf shows it, "
        "and refuses to load what it lacks",
        libbpf=r"failed to find BTF for extern|unrecognized extern section '\.maps'|unsupported map linkage extern",
    ),
    Explanation(
        "opened",
        "a variable that old compilers leave to a linker to place: purebpf shows the object, and loads what needs none",
        libbpf=r"corrupted symbol #\d+ pointing to invalid section #65522 ",
    ),
    Explanation(
        "opened",
        "maps in a section of another name, for a loader of the program's own: purebpf shows them, and loads none",
        libbpf="bad map relo against .* in section '.*maps",
    ),
    Explanation(
        "opened",
        "Debian's bpftool forgets the place of a map in the types, where libbpf looks; purebpf asks the symbol",
        libbpf="map relo failed to find map",
        object="^linked-6.1/linked_maps",
    ),
    Explanation(
        "BTF_LOAD btf",
        "Debian's bpftool forgets the place of a variable in the types as well: purebpf takes the symbol's",
        object="^linked-6.1/test_subskeleton\\.",
    ),
    Explanation(
        "PROG_LOAD kernel_version",
        "libbpf 1.1 does not know that Debian tells the last number of its version elsewhere; used before 5.0 only",
        libbpf="^(393472|396288)$",
        version="1.1",
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
        object=r"(^|/)(verifier_)?arena[_.]",
    ),
    Explanation(
        "refused",
        "a kernel before 6.4 knows no struct_ops for links: libbpf has it refuse the map, purebpf says so",
        purebpf="struct_ops that a link registers",
    ),
    Explanation(
        "refused",
        "a struct_ops program that no struct_ops uses: purebpf says so; libbpf leaves the refusal to the kernel",
        purebpf="no struct_ops map that is made refers to it",
    ),
    Explanation(
        "PROG_LOAD expected_attach_type",
        "a USDT probe is one link where the kernel links many uprobes at once: libbpf before 1.3 makes many",
        libbpf="^0$",
        purebpf="^48$",
        object="usdt|javagc|built/sections",
        version="1.1",
    ),
    *(
        Explanation(
            f"PROG_LOAD {what}",
            "an exception callback is appended to its program: libbpf before 1.3 knows none",
            object="exception",
            version="1.1",
        )
        for what in ("code", "func_info", "line_info")
    ),
    *(
        Explanation(
            f"PROG_LOAD {what}",
            "flavours of kernel functions and what a weak one that is absent becomes came after libbpf 1.1",
            object="built/kfunc",
            version="1.1",
        )
        for what in ("code", "references")
    ),
    Explanation(
        "opened",
        "static maps: each has a type and a place like another; libbpf asks for global ones, which it can link",
        libbpf=r"map '[^']*': unsupported map linkage static",
    ),
    Explanation(
        "opened",
        "a hash of maps with values and a key that is not of 4 bytes: purebpf makes keys of that size of their numbers",
        libbpf=r"hash-of-maps '[^']*' should have key size 4\.",
    ),
    Explanation(
        "opened",
        "an arena too small for its variables: purebpf shows it, and refuses to load it",
        libbpf=r"declared ARENA map size \(\d+\) is too small to hold global __arena variables",
    ),
    Explanation(
        "MAP_UPDATE of a slot value",
        "an inner map that comes later than its outer one, as gcc orders them: libbpf has no map to put there yet",
        libbpf=r"^\?$",
        purebpf="^map ",
    ),
    Explanation(
        "accepted",
        "the same on a real kernel, which refuses what is no map",
        libbpf=r"failed to initialize slot \[\d+\] to map '[^']*' fd=\d+: -EINVAL",
    ),
    Explanation(
        "accepted",
        'libbpf leaves out the first variable only of a SEC("?.struct_ops.link"); purebpf each',
        libbpf=r"struct_ops init_kern: struct [^ ]* is not found in kernel BTF",
        purebpf=r"\b0 of struct_ops\b",
    ),
    Explanation(
        "accepted",
        "section names that came after libbpf 1.5",
        libbpf=rf"missing BPF prog type, check ELF section name '{_AFTER_1_5}(/[^']*)?'",
    ),
    *(
        Explanation(f"program {what}", "section names that came after libbpf 1.5", libbpf=rf"^{_AFTER_1_5}(/.*)?: 0$")
        for what in ("type", "expected_attach_type")
    ),
    *(
        Explanation(
            f"program {what}",
            "section names that came after libbpf 1.1",
            libbpf=rf"^{_AFTER_1_1}(/.*)?: 0$",
            version="1.1",
        )
        for what in ("type", "expected_attach_type")
    ),
    Explanation(
        "program expected_attach_type",
        "libbpf 1.1 tells a struct_ops program's member, by the object's types, when it opens; purebpf when it loads",
        libbpf="^struct_ops",
        version="1.1",
    ),
    Explanation(
        "programs",
        "libbpf 1.1 takes a function in .text for a program if it is the only one; 1.5 and purebpf do not",
        purebpf=r"^\[\]$",
        version="1.1",
    ),
    Explanation(
        "accepted",
        "libbpf 1.1 does not know the section, or takes a lone function in .text for a program",
        libbpf="missing BPF prog type, check ELF section name",
        version="1.1",
    ),
    Explanation(
        "accepted",
        "naming the module of a function to attach to came after libbpf 1.1",
        libbpf=r"failed to find kernel BTF type ID of '[^']+:[^']+'",
        version="1.1",
    ),
    Explanation(
        "accepted",
        "flavours of struct_ops came after libbpf 1.1",
        libbpf="struct_ops init_kern: struct .*___.* is not found",
        version="1.1",
    ),
    Explanation(
        "opened",
        "arenas came after libbpf 1.1",
        libbpf=r"section '\.addr_space\.1'",
        version="1.1",
    ),
    Explanation(
        "MAP_CREATE max_entries",
        "libbpf 1.1 does not size the perf event array that is the template of a map of maps",
        libbpf="^0$",
        object="test_map_in_map",
        version="1.1",
    ),
)
"""The whole table."""


def explain(difference: Difference, version: str) -> Explanation | None:
    """The entry that explains a difference from a version of libbpf."""
    return next((entry for entry in EXPLAINED if entry.fits(difference, version)), None)
