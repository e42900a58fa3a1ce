"""Why the kernel said EPERM or EACCES: the facts of this process and machine that stand in the way.

The kernel gives no reason, and the reasons are many: capabilities (which ones depends on the program's type),
sysctls, lockdown, a user namespace, seccomp, the memlock limit of old kernels, a security module. `collect` reads
them all from /proc and /sys; `diagnose` is a pure function of what was read, and names only those that matter to
the call that failed.
"""

from __future__ import annotations

import errno as errno_codes
import resource

from purebpf.errors import NotPermitted
from purebpf.frozen import Frozen
from purebpf.host.mounts import find_mount
from purebpf.host.version import running_version
from purebpf.plan.target import encode_version
from purebpf.uapi import ProgramType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 12, 21, 38, 39
_NAMES = {
    CAP_NET_ADMIN: "CAP_NET_ADMIN",
    CAP_SYS_ADMIN: "CAP_SYS_ADMIN",
    CAP_PERFMON: "CAP_PERFMON",
    CAP_BPF: "CAP_BPF",
}
_SPLIT_CAPABILITIES = encode_version("5.8")
"""CAP_BPF and CAP_PERFMON exist since 5.8 (commits a17b53c4a4b5 and 980737282232); before, CAP_SYS_ADMIN is both."""
_CGROUP_ACCOUNTING = encode_version("5.11")

_TRACING = frozenset({
    ProgramType.KPROBE,
    ProgramType.TRACEPOINT,
    ProgramType.PERF_EVENT,
    ProgramType.RAW_TRACEPOINT,
    ProgramType.RAW_TRACEPOINT_WRITABLE,
    ProgramType.TRACING,
    ProgramType.LSM,
    ProgramType.STRUCT_OPS,
    ProgramType.EXT,
})  # fmt: skip
_NETWORK = frozenset({
    ProgramType.SCHED_CLS,
    ProgramType.SCHED_ACT,
    ProgramType.XDP,
    ProgramType.LWT_IN,
    ProgramType.LWT_OUT,
    ProgramType.LWT_XMIT,
    ProgramType.LWT_SEG6LOCAL,
    ProgramType.SK_SKB,
    ProgramType.SK_MSG,
    ProgramType.FLOW_DISSECTOR,
    ProgramType.CGROUP_DEVICE,
    ProgramType.CGROUP_SOCK,
    ProgramType.CGROUP_SOCK_ADDR,
    ProgramType.CGROUP_SOCKOPT,
    ProgramType.CGROUP_SYSCTL,
    ProgramType.SOCK_OPS,
    ProgramType.EXT,
    ProgramType.NETFILTER,
    ProgramType.SK_LOOKUP,
})  # fmt: skip
_PERF_EVENTS = frozenset({ProgramType.KPROBE, ProgramType.TRACEPOINT, ProgramType.PERF_EVENT})
_TRAMPOLINE = frozenset({ProgramType.TRACING, ProgramType.LSM, ProgramType.EXT})


class Facts(Frozen):
    """What may stand in the way. None is "could not be read".

    `lockdown` is 'none', 'integrity' or 'confidentiality'; `memlock` is the limit in bytes, None where there is
    none; `seccomp` is the mode of /proc/self/status; `confinement` is what a security module says of the process.
    """

    capabilities: int
    kernel_version: int
    unprivileged_bpf_disabled: int | None = None
    perf_event_paranoid: int | None = None
    lockdown: str | None = None
    initial_user_namespace: bool = True
    memlock: int | None = None
    seccomp: int = 0
    confinement: str = ""
    bpffs: str | None = None

    def has(self, capability: int) -> bool:
        """Whether the process may do what `capability` allows; CAP_SYS_ADMIN includes the two that grew out of it."""
        wanted = 1 << capability
        if capability in (CAP_BPF, CAP_PERFMON):
            wanted |= 1 << CAP_SYS_ADMIN
        return bool(self.capabilities & wanted)


def collect() -> Facts:
    """Read the facts of this process and this machine; what cannot be read is left out."""
    status = _status()
    uid_map = _text("/proc/self/uid_map").split()
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    return Facts(
        capabilities=int(status.get("CapEff", "0"), 16),
        kernel_version=running_version(),
        unprivileged_bpf_disabled=_number("/proc/sys/kernel/unprivileged_bpf_disabled"),
        perf_event_paranoid=_number("/proc/sys/kernel/perf_event_paranoid"),
        lockdown=_lockdown(),
        initial_user_namespace=uid_map in ([], ["0", "0", "4294967295"]),
        memlock=None if soft == resource.RLIM_INFINITY else soft,
        seccomp=int(status.get("Seccomp", "0")),
        confinement=_text("/proc/self/attr/current").strip("\0\n "),
        bpffs=find_mount("bpf"),
    )


def diagnose(
    operation: str,
    errno: int,
    *,
    program_type: ProgramType | None = None,
    facts: Facts | None = None,
) -> list[str]:
    """Lines that say what stands in the way of `operation` ("load program", "pin map"), the most likely first.

    [] for an errno that is not about permission. Never raises: it is called while an error is being made.
    """
    if errno not in (errno_codes.EPERM, errno_codes.EACCES):
        return []
    facts = collect() if facts is None else facts
    lines = list(_missing_capabilities(facts, program_type))
    lacking = bool(lines)
    lines += _sysctls(facts, program_type, lacking)
    lines += _lockdown_lines(facts, program_type, lacking)
    lines += _surroundings(operation, facts, lacking)
    if not lines:
        lines.append(
            "the process has the capabilities needed: a security module (SELinux, AppArmor, BPF LSM) may refuse"
        )
    return lines


def not_permitted(
    operation: str, subject: str, code: int, program_type: ProgramType | None, reason: str, remedy: str
) -> NotPermitted:
    """The error for a call that was refused with EPERM or EACCES: what stands in the way, and what to do about it."""
    facts = collect()
    evidence = diagnose(operation, code, program_type=program_type, facts=facts)
    remedy = remedy or _grant(_lacking(facts, program_type))
    return NotPermitted(operation, subject, code, reason=reason, evidence=evidence, remedy=remedy)


def load_refused(name: str, program_types: Iterable[ProgramType], error: NotPermitted) -> NotPermitted:
    """What stands in the way of a whole object, where `error` came up before its first map or program was tried."""
    facts, code = collect(), error.errno or 0
    evidence: dict[str, None] = {}
    missing: dict[str, None] = {}
    for program_type in dict.fromkeys(program_types):
        evidence |= dict.fromkeys(diagnose("load object", code, program_type=program_type, facts=facts))
        missing |= dict.fromkeys(_lacking(facts, program_type))
    return NotPermitted(
        "load object", name, code, evidence=tuple(evidence) or error.evidence, remedy=_grant([*missing]) or error.remedy
    )


def _needed(program_type: ProgramType | None) -> tuple[int, ...]:
    needed = [CAP_BPF]
    if program_type in _TRACING:
        needed.append(CAP_PERFMON)
    if program_type in _NETWORK:
        needed.append(CAP_NET_ADMIN)
    return tuple(needed)


def _lacking(facts: Facts, program_type: ProgramType | None) -> list[str]:
    missing = [capability for capability in _needed(program_type) if not facts.has(capability)]
    if facts.kernel_version and facts.kernel_version < _SPLIT_CAPABILITIES:
        missing = [CAP_SYS_ADMIN if number in (CAP_BPF, CAP_PERFMON) else number for number in missing]
    return [_NAMES[capability] for capability in dict.fromkeys(missing)]


def _grant(missing: list[str]) -> str:
    return f"run as root, or give the process {' and '.join(missing)}" if missing else ""


def _missing_capabilities(facts: Facts, program_type: ProgramType | None) -> Iterator[str]:
    missing = _lacking(facts, program_type)
    if missing:
        of = f" for programs of type {program_type.name.lower()}" if program_type is not None else ""
        yield f"this process lacks {' and '.join(missing)}{of}"
    if not facts.initial_user_namespace:
        yield "it runs in a user namespace (a container): capabilities there do not count for BPF without a BPF token"


def _sysctls(facts: Facts, program_type: ProgramType | None, lacking: bool) -> Iterator[str]:
    disabled = facts.unprivileged_bpf_disabled
    if lacking and disabled and not facts.has(CAP_BPF):
        until = "until the next boot" if disabled == 1 else "root may change it"
        yield f"kernel.unprivileged_bpf_disabled = {disabled}: bpf(2) is closed to others than root ({until})"
    paranoid = facts.perf_event_paranoid
    if program_type in _PERF_EVENTS and paranoid is not None and paranoid > 1 and not facts.has(CAP_PERFMON):
        yield f"kernel.perf_event_paranoid = {paranoid}: no kernel events without CAP_PERFMON"


def _lockdown_lines(facts: Facts, program_type: ProgramType | None, lacking: bool) -> Iterator[str]:
    if facts.lockdown in ("integrity", "confidentiality"):
        yield f"the kernel is locked down ({facts.lockdown}): it refuses what could change or read it, to root too"
    elif facts.lockdown is None and not lacking:
        if program_type in _TRAMPOLINE:
            yield "the capabilities are there and a BPF trampoline was refused: the kernel is likely locked down"
        yield "whether it is locked down cannot be seen: mount -t securityfs none /sys/kernel/security"


def _surroundings(operation: str, facts: Facts, lacking: bool) -> Iterator[str]:
    if operation.startswith("pin") and facts.bpffs is None:
        yield "no BPF file system is mounted: mount -t bpf bpf /sys/fs/bpf"
    if 0 < facts.kernel_version < _CGROUP_ACCOUNTING and facts.memlock is not None:
        yield f"this kernel counts BPF memory against RLIMIT_MEMLOCK, here {facts.memlock} bytes: raise it (ulimit -l)"
    if facts.seccomp == 2:
        yield "a seccomp filter is on; those of container runtimes refuse bpf(2) and perf_event_open(2)"
    profile = facts.confinement
    if not lacking and profile and not profile.startswith(("unconfined", "kernel")):
        yield f"a security module confines the process: {profile}"


def _status() -> dict[str, str]:
    lines = _text("/proc/self/status").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def _lockdown() -> str | None:
    text = _text("/sys/kernel/security/lockdown")
    chosen = [word.strip("[]") for word in text.split() if word.startswith("[")]
    return chosen[0] if chosen else None


def _number(path: str) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16)
    except OSError:
        return ""
