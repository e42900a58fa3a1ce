"""Ask the running kernel which helpers a program of each type may call; prints what tools/data/helpers-*.txt hold.

    python -m tools.helper_probe             as root; ./dev vm SERIES run does the same on Debian's kernels

Rules: for each kind of program (a row of the SEC() table: type, attach type, whether it sleeps; and where the kernel
asks further, a hook) and each helper, a program of two instructions is handed to the verifier: call it and exit. It
says "unknown func" or "cannot use helper" of what it does not give to such programs; whatever else it says, of
arguments for example, it had found the helper. Nothing is attached, and a program that loads is closed at once. A kind
that the kernel does not take whatever the code is left out: nobody knows what it might call.

One line a kind: its key, then the helpers by number, ranges as in '1-8'; a hook has one of its own where its answers
are not those of most hooks. The line 'all' has every helper of that kernel, 'gpl' those that only GPL-compatible
programs may call, 'sleeps' those that it gives to no program that may not sleep. The second line has the kinds of
programs that it does not take at all if they may sleep.
"""

import os
import struct
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from purebpf.btf import Btf, Enum, Kind, Struct, lookup
from purebpf.host.target import running_target
from purebpf.insn.words import CALL
from purebpf.spec.sections import F_SLEEPABLE, section_definitions
from purebpf.syscall import calls
from purebpf.uapi import AttachType, ProgramType

_EXIT = b"\x95" + bytes(7)
_UNHEARD_OF = 0x7FFFFFF
_NOT_GIVEN = ("unknown func", "cannot use helper")
_SLEEPS = "might sleep"

# Hooks that stand for all of their kind: the first that the kernel takes is asked, or each where answers differ.
_HOOKS = {
    AttachType.TRACE_RAW_TP: ("btf_trace_sched_switch", "btf_trace_sys_enter"),
    AttachType.TRACE_FENTRY: ("bpf_fentry_test1",),
    AttachType.TRACE_FEXIT: ("bpf_fentry_test1",),
    AttachType.TRACE_FSESSION: ("bpf_fentry_test1",),
    AttachType.MODIFY_RETURN: ("bpf_modify_return_test", "security_file_open", "bpf_fentry_test1"),
}
_EVERY_HOOK = {AttachType.TRACE_ITER: "bpf_iter_", AttachType.LSM_MAC: "bpf_lsm_", AttachType.LSM_CGROUP: "bpf_lsm_"}


@dataclass(frozen=True, slots=True)
class Context:
    """A kind of program, and what it is loaded with."""

    type: ProgramType
    attach: int = 0
    sleepable: bool = False
    hook: str = ""
    btf_id: int = 0

    @property
    def key(self) -> str:
        """'type/attach type', '.s' where it may sleep, ':hook' where that matters."""
        attach = 0 if self.type == ProgramType.STRUCT_OPS else self.attach
        named = f"/{AttachType(attach).name.lower()}" if attach else ""
        return f"{self.type.name.lower()}{named}{'.s' if self.sleepable else ''}{':' + self.hook if self.hook else ''}"


def said(context: Context, number: int, *, source: int = 0, license: str = "GPL") -> str | None:  # noqa: A002
    """What the verifier says of a call; "" for nothing, None where the kernel refuses before it looks at the code.

    `source` is what `number` counts: helpers (0), or the kernel's functions.
    """
    log = calls.Log(bytearray(1 << 16))
    code = struct.pack("=BBhi", CALL, source << 4, 0, number) + _EXIT
    flags = F_SLEEPABLE if context.sleepable else 0
    try:
        fd = calls.prog_load(
            prog_type=context.type, insns=code, license=license, flags=flags,
            expected_attach_type=context.attach, attach_btf_id=context.btf_id, log=log,
        )  # fmt: skip
    except OSError:
        return log.text or None
    os.close(fd)
    return ""


def _taken(context: Context) -> bool:
    """Whether the kernel comes to look at the code of such programs."""
    return "invalid func" in (said(context, _UNHEARD_OF) or "")


def _must_not_sleep(btf: Btf) -> set[str]:
    """Types that are no longer taken if they may sleep."""
    kinds = {(row.program_type, row.attach_type or 0) for row in section_definitions() if row.sleepable}
    refused = set()
    for kind, attach in kinds - {(ProgramType.SYSCALL, 0), (ProgramType.STRUCT_OPS, 0)}:
        for awake in _of_first_hook(btf, Context(kind, attach)):
            if "can be sleepable" in (said(replace(awake, sleepable=True), 1) or ""):
                refused.add(awake.key)
    return refused


def contexts(btf: Btf, hooks: Collection[str] | None = None) -> Iterator[Context]:
    """Every kind of program that the kernel takes, with each hook or with `hooks` only."""
    kinds = {(row.program_type, row.attach_type or 0, row.sleepable): None for row in section_definitions()}
    # Attach types that a section leaves open, as its programs are loaded.
    kinds |= {(row.program_type, 0, row.sleepable): None for row in section_definitions() if row.optional_attach_type}
    for kind, attach, sleepable in kinds:
        if kind == ProgramType.STRUCT_OPS:
            made = _struct_ops(btf, sleepable)
        elif attach in _EVERY_HOOK:
            made = _each_hook(btf, Context(kind, attach, sleepable), _EVERY_HOOK[AttachType(attach)], hooks)
        else:
            made = _of_first_hook(btf, Context(kind, attach, sleepable))
        yield from made


def _of_first_hook(btf: Btf, context: Context) -> Iterator[Context]:
    hooks = _HOOKS.get(AttachType(context.attach), ()) if context.type == ProgramType.TRACING else ("",)
    for hook in hooks:
        type_id = btf.find_one(hook) if hook else 0
        if type_id is None:
            continue
        tried = Context(context.type, context.attach, context.sleepable, "", type_id)
        if _taken(tried):
            yield tried
            return


def _each_hook(btf: Btf, context: Context, prefix: str, hooks: Collection[str] | None) -> Iterator[Context]:
    for name in sorted(set(btf.strings_with(prefix.encode()))):
        wanted = name.startswith(prefix) and (hooks is None or name.removeprefix(prefix) in hooks)
        type_id = btf.find_one(name, Kind.FUNC) if wanted else None
        if type_id is not None:
            hook = name.removeprefix(prefix)
            tried = Context(context.type, context.attach, context.sleepable, hook, type_id)
            if _taken(tried):
                yield tried


def _struct_ops(btf: Btf, sleepable: bool) -> Iterator[Context]:
    for name in sorted(set(btf.strings_with(b"bpf_struct_ops_"))):
        ops = name.removeprefix("bpf_struct_ops_")
        type_id = btf.find_one(ops, Kind.STRUCT)
        value = btf.find_one(name, Kind.STRUCT)
        if type_id is None or value is None:
            continue
        made = btf[type_id]
        assert isinstance(made, Struct)
        for index, member in enumerate(made.members):
            # The members that are functions; some the kernel gives to no program.
            if btf.kind(lookup.resolve(btf, member.type)) == Kind.PTR:
                tried = Context(ProgramType.STRUCT_OPS, index, sleepable, f"{ops}:{member.name}", type_id)
                if _taken(tried):
                    yield tried


def helper_count(btf: Btf) -> int:
    """One more than the kernel's highest helper."""
    type_id = btf.find_one("bpf_func_id", Kind.ENUM)
    assert type_id is not None
    enum = btf[type_id]
    assert isinstance(enum, Enum)
    return max(each.value for each in enum.enumerators if "MAX" not in each.name) + 1


def ranges(numbers: Iterable[int]) -> str:
    """'1-3 7' of 1, 2, 3, 7."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return " ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in spans)


def probe(btf: Btf) -> dict[str, set[int]]:
    """Each kind of program with the helpers it may call; 'all', 'gpl' and 'sleeps' beside them."""
    every = range(1, helper_count(btf))
    found: dict[str, set[int]] = {}
    free: set[int] = set()
    gpl: set[int] = set()
    sleeping: set[int] = set()
    for context in contexts(btf):
        words = {helper: said(context, helper) for helper in every}
        given = {helper for helper, answer in words.items() if not any(no in (answer or "") for no in _NOT_GIVEN)}
        sleeping |= {helper for helper, answer in words.items() if _SLEEPS in (answer or "")}
        found[context.key] = given
        if "must have a GPL" not in (said(context, 1, license="none") or ""):
            restricted = {helper for helper in given if "GPL" in (said(context, helper, license="none") or "")}
            gpl |= restricted
            free |= given - restricted
    return {"all": set(every), "gpl": gpl - free, "sleeps": sleeping} | _without_equal_hooks(found)


def _without_equal_hooks(found: dict[str, set[int]]) -> dict[str, set[int]]:
    """The same, but of the hooks of a kind only those that are not as most of them are."""
    kept: dict[str, set[int]] = {}
    by_kind: dict[str, Counter[frozenset[int]]] = {}
    for key, given in found.items():
        by_kind.setdefault(without_hook(key), Counter())[frozenset(given)] += 1
    for key, given in found.items():
        kind = without_hook(key)
        (commonest, _count), *_others = by_kind[kind].most_common(1)
        kept.setdefault(kind, set(commonest))
        if given != commonest:
            kept[key] = given
    return kept


def without_hook(key: str) -> str:
    """The key of all hooks of a kind; of a struct_ops the struct stays, and the member goes."""
    return key.rpartition(":")[0] if ":" in key else key


def answers() -> str:
    """What the running kernel says, as text."""
    btf = running_target().require_btf("this tool")
    found = probe(btf)
    lines = [f"{key} {ranges(helpers)}".rstrip() for key, helpers in found.items()]
    awake = " ".join(sorted(_must_not_sleep(btf)))
    return "\n".join([f"# Linux {os.uname().release}", f"# must not sleep: {awake}", *lines]) + "\n"


def deliver(text: str) -> int:
    """Print it, or write it to the file that is named."""
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text)
    else:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(deliver(answers()))
