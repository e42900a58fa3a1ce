"""Every error purebpf raises on its own account.

    BpfError
      ObjectFileError(ValueError)   the file is at fault: .file .section .offset
        ElfError  BtfError  SpecError
      PlanError                     the file does not fit this target: .program .insn
        RelocationError  UnresolvedExtern  AttachTargetError  UnknownFact
      NotSupported                  the kernel lacks something: .feature .since .config
      KernelError(OSError)          the kernel refused a call: .operation .subject .errno
        NotPermitted(PermissionError)   with what stands in the way in .evidence
        VerifierError                   .log .complaint .source

Blame decides the class (file, target, kernel); mistakes of the caller are builtins: KeyError for a missing
key, ValueError for a closed object or a value out of range, TypeError for a wrong shape.

A message is built in `__str__` from the error's data:

    cannot <verb> <kind> '<name>': <reason> [ERRNO]
      indented evidence
    remedy, where one is known
"""

from __future__ import annotations

import errno as errno_codes
from os import strerror

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# The kernel's own, which user space has no name for.
_ENOTSUPP = 524


class BpfError(Exception):
    """Base of every error purebpf raises on its own account."""


class ObjectFileError(BpfError, ValueError):
    """The object file is at fault, whatever the machine.

    `file` is the path or a label such as '<bytes>'; `section` and `offset` (into the section, or into the
    file where no section is concerned) say where, when that is known.
    """

    def __init__(
        self,
        reason: str,
        *,
        file: str = "",
        section: str | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.file = file
        self.section = section
        self.offset = offset

    def __str__(self) -> str:
        where = [f"'{self.file}'"] if self.file else []
        if self.section is not None:
            where.append(f"section '{self.section}'")
        if self.offset is not None:
            where.append(f"offset {self.offset:#x}")
        return f"{', '.join(where)}: {self.reason}" if where else self.reason


class ElfError(ObjectFileError):
    """The bytes are no ELF64 object that can be read."""


class BtfError(ObjectFileError):
    """The type information (.BTF or .BTF.ext) is damaged or of an unknown form."""


class SpecError(ObjectFileError):
    """The file is well-formed but says something no BPF object may say."""


class PlanError(BpfError):
    """The object cannot be prepared for this target."""

    def __init__(
        self,
        reason: str,
        *,
        program: str | None = None,
        insn: int | None = None,
        evidence: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.program = program
        self.insn = insn
        self.evidence = tuple(evidence)
        self.remedy = remedy

    def __str__(self) -> str:
        if self.program is None:
            head = self.reason
        elif self.insn is None:
            head = f"cannot prepare program '{self.program}': {self.reason}"
        else:
            head = f"cannot prepare program '{self.program}', instruction {self.insn}: {self.reason}"
        return _message(head, self.evidence, self.remedy)


class RelocationError(PlanError):
    """A relocation cannot be resolved."""


class UnresolvedExtern(PlanError):
    """A strong extern (kconfig, ksym, kfunc) has no value on this target."""


class AttachTargetError(PlanError):
    """What a program wants to be attached to does not exist or is not named."""


class UnknownFact(PlanError):
    """The description of the target does not tell what the object asks for; the kernel itself may have it."""


class NotSupported(BpfError):
    """The kernel lacks a feature.

    `since` is the first kernel version that has it, `config` the build option it needs; `remedy` says what
    can be done without it.
    """

    def __init__(
        self,
        feature: str,
        *,
        since: str | None = None,
        config: str | None = None,
        remedy: str = "",
        evidence: Sequence[str] = (),
    ) -> None:
        super().__init__(feature)
        self.feature = feature
        self.since = since
        self.config = config
        self.remedy = remedy
        self.evidence = tuple(evidence)

    def __str__(self) -> str:
        needs = [f"Linux {self.since} or newer"] if self.since else []
        if self.config:
            needs.append(f"a kernel built with {self.config}")
        head = f"this kernel does not support {self.feature}"
        if needs:
            head += f": needs {' and '.join(needs)}"
        return _message(head, self.evidence, self.remedy)


class KernelError(BpfError, OSError):
    """The kernel refused a call.

    `operation` is what was tried ('create map'), `subject` the name of the thing, `errno` the kernel's
    answer; `evidence` are lines that explain it, `remedy` what to do.
    """

    def __init__(
        self,
        operation: str,
        subject: str,
        errno: int,
        *,
        reason: str = "",
        evidence: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        self.reason = reason or ("Operation not supported" if errno == _ENOTSUPP else strerror(errno))
        OSError.__init__(self, errno, self.reason)
        self.operation = operation
        self.subject = subject
        self.evidence = tuple(evidence)
        self.remedy = remedy

    @property
    def errno_name(self) -> str:
        """Symbol of the errno, such as 'EPERM'."""
        code = self.errno or 0
        if code == _ENOTSUPP:
            return "ENOTSUPP"
        return errno_codes.errorcode.get(code, str(code))

    def __str__(self) -> str:
        subject = f" '{self.subject}'" if self.subject else ""
        head = f"cannot {self.operation}{subject}: {self.reason} [{self.errno_name}]"
        return _message(head, self.evidence, self.remedy)


class NotPermitted(KernelError, PermissionError):
    """The kernel refused for want of privilege; `evidence` says which capability, sysctl or lockdown."""


class VerifierError(KernelError):
    """The verifier rejected a program.

    `complaint` is its verdict (the last lines that say something), `source` the C line it stands at
    ('trace.bpf.c:12  pid = task->tgid;'), `insn` the instruction, `log` the whole log. `reason` is the errno's text,
    or what made the loader itself invalidate the instruction that the verifier came to.
    """

    def __init__(
        self,
        subject: str,
        errno: int,
        *,
        program_type: str,
        log: str,
        complaint: str,
        source: str | None = None,
        insn: int | None = None,
        reason: str = "",
        evidence: Sequence[str] = (),
        remedy: str = "",
    ) -> None:
        super().__init__("load program", subject, errno, reason=reason, evidence=evidence, remedy=remedy)
        self.program_type = program_type
        self.log = log
        self.complaint = complaint
        self.source = source
        self.insn = insn

    def __str__(self) -> str:
        head = f"cannot load program '{self.subject}' ({self.program_type}): {self.reason} [{self.errno_name}]"
        at = f"verifier at instruction {self.insn}" if self.insn is not None else "verifier"
        if self.source:
            at += f", {self.source}"
        lines = [at, *(f"  {line}" for line in self.complaint.splitlines()), *self.evidence]
        count = self.log.count("\n") + (not self.log.endswith("\n") and bool(self.log))
        lines.append(f"({count} log line{'' if count == 1 else 's'} in .log)")
        return _message(head, lines, self.remedy)


def _message(head: str, evidence: Sequence[str], remedy: str) -> str:
    lines = [head, *(f"  {line}" for line in evidence)]
    if remedy:
        lines.append(remedy)
    return "\n".join(lines)
