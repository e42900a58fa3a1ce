"""The verbs: open, plan, load (`with_block` has the fourth, attached).

Rules: each verb is a line or two over the stages; what it logs is for people and goes to the logger
`purebpf.<object>` at level debug.
"""

from __future__ import annotations

import os

from purebpf.errors import NotPermitted
from purebpf.live.kernel import RunningKernel
from purebpf.live.loader import execute
from purebpf.live.object import BpfObject
from purebpf.logs import DEBUG, logger
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import LoadPlan
from purebpf.spec.model import ObjectSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from os import PathLike

    from purebpf.live.seam import Kernel
    from purebpf.plan.stages import FileRead, Source
    from purebpf.plan.target import Target

    Path = str | PathLike[str]
    BtfFiles = Path | Iterable[Path]
    Kconfig = str | Mapping[str, object]


def open(source: Source, *, name: str | None = None) -> ObjectSpec:  # noqa: A001 (used as purebpf.open)
    """Read an object file and say what is in it; no kernel is needed and nothing is loaded.

    `source` is a path, the bytes, or an open binary file. `name` is the object's name, of which data maps get
    theirs; by default the file's name up to its first dot. Raises `ObjectFileError`.
    """
    seen: list[FileRead] = []
    spec = open_object(source, name=name, see=seen.append)
    log = logger(spec.name)
    if log.isEnabledFor(DEBUG):
        from purebpf.inspect import read_lines, spec_lines

        for line in (*read_lines(seen[0]), *spec_lines(spec)):
            log.debug("%s", line)
    return spec


def plan(
    spec: ObjectSpec | Source,
    target: Target | None = None,
    *,
    btf: BtfFiles | None = None,
    kconfig: Kconfig | None = None,
) -> LoadPlan:
    """Everything that loading `spec` would ask of the kernel, in order; nothing is loaded.

    `target` is the kernel to plan for, by default the running one, which may be probed for features. Raises
    `PlanError`.

    `btf` replaces the kernel's types for CO-RE, for kernels without CONFIG_DEBUG_INFO_BTF: a file (raw BTF or a
    vmlinux), a folder with files named after the kernel's release, or several of these, of which the first that is
    there counts; by default what PUREBPF_BTF names in the environment, if that is set. In a folder the layout of
    btfhub's archive is known, .btf.tar.xz files included. Ids that a program names (kernel functions, attach targets)
    still come from the kernel itself.
    `kconfig` sets values of the kernel's configuration: text of a .config, or a mapping of names to values.
    """
    if not isinstance(spec, ObjectSpec):
        spec = open(spec)
    target = _target(target, btf, kconfig)
    log = logger(spec.name)
    if not log.isEnabledFor(DEBUG):
        return _planned(spec, target)
    from purebpf.inspect import plan_lines, stage_lines
    from purebpf.plan.stages import StageResult

    def tell(stage: str, value: object) -> None:
        for line in stage_lines(StageResult(stage, value, 0.0), spec):
            log.debug("%s: %s", stage, line)

    made = _planned(spec, target, see=tell)
    for line in plan_lines(made):
        log.debug("%s", line)
    return made


def _planned(spec: ObjectSpec, target: Target, *, see: Callable[[str, object], None] | None = None) -> LoadPlan:
    try:
        return plan_object(spec, target, see=see)
    except NotPermitted as error:
        if error.operation != "probe the kernel for":
            raise
        # A process that may not even ask what the kernel has: its user wants to know what the load needs.
        from purebpf.host.permissions import load_refused

        raise load_refused(spec.name, [program.type for program in spec.programs.values()], error) from error


def _target(target: Target | None, btf: BtfFiles | None, kconfig: Kconfig | None) -> Target:
    if target is None:
        from purebpf import running_target

        target = running_target()
        if btf is None and os.environ.get("PUREBPF_BTF"):
            from purebpf.host.btf_files import environment_btf

            btf = environment_btf()
    if btf is not None:
        from purebpf.host.btf_files import find_btf

        target = target.with_core_btf(find_btf(btf, target.release))
    return target if kconfig is None else target.with_kconfig(kconfig)


def load(
    spec: ObjectSpec | LoadPlan | Source,
    *,
    btf: BtfFiles | None = None,
    kconfig: Kconfig | None = None,
    kernel: Kernel | None = None,
    log_level: int = 0,
    log_size: int = 0,
) -> BpfObject:
    """Load an object into the running kernel: all of it or nothing.

    Takes a spec, a plan made by `plan`, or whatever `open` takes. The caller closes the result (it is a context
    manager). `kernel` is for those who record or fake one. Raises `KernelError`, `VerifierError` when a program
    is rejected, `NotPermitted` with what stands in the way. `btf` and `kconfig` are as for `plan`.

    `log_level` asks the verifier for its log even of programs that it takes, as `obj.programs[name].log`: 1 the
    states, 2 every instruction, 4 the statistics, or sums of these. `log_size` is the buffer to begin with; a log that
    does not fit is asked for again.
    """
    if isinstance(spec, LoadPlan):
        if btf is not None or kconfig is not None:
            raise TypeError("a plan was made with its types and values: give btf and kconfig to plan()")
        made = spec
        if kernel is None:
            _warn_of_another_kernel(made)
    else:
        made = plan(spec, btf=btf, kconfig=kconfig)
    for name, number in (("log_level", log_level), ("log_size", log_size)):
        if not isinstance(number, int):
            raise TypeError(f"{name} is a number, not {type(number).__name__}")
        if not 0 <= number < 1 << 32:
            raise ValueError(f"{name} is at least 0 and less than {1 << 32}, not {number}")
    behind = kernel if kernel is not None else RunningKernel()
    loaded = execute(made, behind, log_level=log_level, log_size=log_size)
    return BpfObject(made, loaded)


def _warn_of_another_kernel(made: LoadPlan) -> None:
    from purebpf.plan.target import RUNNING

    running = os.uname().release
    if made.target not in (RUNNING, running):
        import warnings

        warnings.warn(
            f"this plan was made for '{made.target}', and the running kernel is {running}: places of fields and ids of "
            "types may differ. Plan for purebpf.running_target(), or give what you know of this kernel the name "
            f"'{running}'",
            RuntimeWarning,
            stacklevel=3,
        )
