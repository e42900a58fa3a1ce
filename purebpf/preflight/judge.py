"""Whether an object will load on a kernel that need not be here.

Rules: everything that a loader decides is decided by the loader's own stages, one program at a time so that each gets
its verdict; then what only the kernel would refuse is asked of its BTF: types it does not know or was built without,
helpers, instructions, and accesses that CO-RE could not place where the code still reaches them. What the verifier
works out by following values is not done here, and no verdict claims it.
"""

from collections.abc import Generator, Iterator
from typing import Final

from purebpf.errors import (
    AttachTargetError,
    BpfError,
    BtfError,
    NotPermitted,
    NotSupported,
    PlanError,
    RelocationError,
    UnknownFact,
    UnresolvedExtern,
)
from purebpf.frozen import replace
from purebpf.helper_ids import Helper
from purebpf.insn.patch import imm_at, iter_calls, iter_ldimm64, source_at
from purebpf.insn.reach import Pointer, reachable
from purebpf.insn.words import BPF_PSEUDO_BTF_ID, BPF_PSEUDO_CALL, BPF_PSEUDO_KFUNC_CALL, SLOT
from purebpf.plan.stages import plan_object
from purebpf.plan.steps import CreateMap, FreezeMap, LoadPlan, LoadProgram, SetValue
from purebpf.plan.target import Target, encode_version
from purebpf.preflight import helpers, kfuncs, marks
from purebpf.preflight.abi import Abi
from purebpf.preflight.isa import extensions
from purebpf.preflight.kinds import GPL_REMEDY, Ages, gpl_compatible, kind_of, must_not_sleep
from purebpf.preflight.map_fields import NOT_FOR, special_fields
from purebpf.preflight.report import Finding, Report, Verdict, worst
from purebpf.relocate.model import PoisonedCall
from purebpf.relocate.patch import is_poisoned
from purebpf.spec.model import ExternKind, ObjectSpec
from purebpf.uapi import AttachType, MapType, ProgramType
from purebpf.units import InsnIndex

_LOADS, _FAILS, _UNKNOWN = Verdict.LOADS, Verdict.FAILS, Verdict.UNKNOWN
_HELPERS: Final = {int(helper): helper.name for helper in Helper}
_WITHOUT_ENTRIES: Final = (
    MapType.CGROUP_STORAGE,
    MapType.PERCPU_CGROUP_STORAGE,
    MapType.SK_STORAGE,
    MapType.INODE_STORAGE,
    MapType.TASK_STORAGE,
    MapType.CGRP_STORAGE,
    MapType.STRUCT_OPS,
)
_FOR_GPL: Final = (ProgramType.LSM, ProgramType.STRUCT_OPS)
# Of other types the kernel looks at the attach type when the program is attached.
_BOUND_TO_ATTACH_TYPE: Final = (
    ProgramType.CGROUP_SKB,
    ProgramType.CGROUP_SOCK,
    ProgramType.CGROUP_SOCK_ADDR,
    ProgramType.CGROUP_SOCKOPT,
    ProgramType.SK_LOOKUP,
    ProgramType.SK_REUSEPORT,
    ProgramType.NETFILTER,
    ProgramType.TRACING,
    ProgramType.EXT,
    ProgramType.LSM,
)
_OF_MAPS: Final = (MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS)
_NEEDS: Final = (
    (UnresolvedExtern, "extern"),
    (AttachTargetError, "attach target"),
    (RelocationError, "type"),
    (NotSupported, "feature"),
)


def check(spec: ObjectSpec, target: Target) -> Report:
    """What will become of a load of `spec` on `target`; programs with autoload off are left out."""
    btf = target.btf
    abi = Abi(btf) if btf is not None else None
    judge = _Judge(spec, target, abi)
    names = [program.name for program in spec.programs.values() if program.autoload]
    programs = {name: worst(f.verdict for f in judge.add(judge.program(name))) for name in names}
    if not names:
        judge.add(judge.whole())
    maps = {name: worst(f.verdict for f in judge.add(judge.map(step))) for name, step in judge.maps.items()}
    left_out = tuple(name for name, program in spec.programs.items() if not program.autoload)
    return Report(spec.name, target.name, programs, maps, tuple(judge.findings), left_out)


class _Judge:
    def __init__(self, spec: ObjectSpec, target: Target, abi: Abi | None) -> None:
        self._spec = spec
        self._target = target
        self._abi = abi
        self.maps: dict[str, CreateMap] = {}
        self.findings: list[Finding] = []
        self._told: set[Finding] = set()

    def add(self, findings: Iterator[Finding]) -> list[Finding]:
        """Keep what is new of `findings`; all of them are given back."""
        found = list(findings)
        for finding in found:
            if finding not in self._told:
                self._told.add(finding)
                self.findings.append(finding)
        return found

    def whole(self) -> Iterator[Finding]:
        """The object without its programs."""
        plan = yield from self._planned(self._spec, f"object '{self._spec.name}'")
        self._take_maps(plan)

    def program(self, name: str) -> Iterator[Finding]:
        """Everything that stands in the way of one program."""
        subject = f"program '{name}'"
        plan = yield from self._planned(_alone(self._spec, name), subject)
        self._take_maps(plan)
        if plan is not None:
            for step in plan.programs():
                yield from self._loaded(plan, step, subject)

    def _planned(self, spec: ObjectSpec, subject: str) -> Generator[Finding, None, LoadPlan | None]:
        try:
            return plan_object(spec, self._target)
        except BpfError as error:
            yield self._perhaps_of_a_module(_of_error(error, subject, self._spec))
        return None

    def _perhaps_of_a_module(self, finding: Finding) -> Finding:
        """Unknown, if a function is missing that may be a module's, and of the target's modules nothing is told."""
        if finding.verdict is not _FAILS or finding.need != "kernel function" or kfuncs.is_built_in(finding.name):
            return finding
        try:
            self._target.symbols()
        except UnknownFact:
            if not tuple(self._target.read_modules()):
                evidence = (*finding.evidence, "it may be one of a module, and no module's types were given")
                return replace(finding, verdict=_UNKNOWN, evidence=evidence)
        except NotPermitted:
            pass
        return finding

    def _take_maps(self, plan: LoadPlan | None) -> None:
        for step in plan.maps() if plan is not None else ():
            self.maps.setdefault(step.name, step)

    def _loaded(self, plan: LoadPlan, step: LoadProgram, subject: str) -> Iterator[Finding]:
        live = reachable(step.code, self._spec.byteorder, pointers=self._constants(plan, step))
        yield from self._poisoned(step, subject, live)
        yield from self._instructions(step, subject)
        if self._abi is None:
            reason = "the target has no BTF, so nobody can say what programs and helpers it knows"
            yield Finding(_UNKNOWN, subject, "type", "BTF", reason)
            return
        yield from self._kind(step, subject, self._abi)
        yield from self._calls(step, subject, self._abi, live)
        yield from self._fields(plan, step, subject, self._abi)
        yield from self._variables(step, subject, self._abi)

    def _constants(self, plan: LoadPlan, step: LoadProgram) -> dict[InsnIndex, Pointer]:
        """What stands in maps that no program can change: the verifier knows their values too."""
        frozen = {each.map for each in plan.steps if isinstance(each, FreezeMap)}
        contents = {each.map: each.value for each in plan.steps if isinstance(each, SetValue) and each.map in frozen}
        return {
            slot.insn: Pointer(contents[slot.map], slot.offset)
            for slot in step.slots
            if slot.offset is not None and slot.map in contents
        }

    def _poisoned(self, step: LoadProgram, subject: str, live: frozenset[InsnIndex]) -> Iterator[Finding]:
        told: set[str] = set()
        for poisoned in step.poisoned:
            if poisoned.insn not in live:
                continue
            # Of a member several things may be asked: of a bit field five.
            failure = poisoned.failure()
            if failure.reason in told:
                continue
            told.add(failure.reason)
            need = "kernel function" if isinstance(poisoned, PoisonedCall) else "type"
            name = poisoned.function if isinstance(poisoned, PoisonedCall) else poisoned.question
            finding = Finding(_FAILS, subject, need, name, failure.reason, tuple(failure.evidence), failure.remedy)
            yield self._perhaps_of_a_module(finding)

    def _instructions(self, step: LoadProgram, subject: str) -> Iterator[Finding]:
        at_least, before = self._ages()
        for extension, insn in extensions(step.code, self._spec.byteorder):
            since = encode_version(extension.since)
            if since <= at_least:
                continue
            certain = before and since >= before
            reason = f"it uses {extension.text} at instruction {insn}, which came with Linux {extension.since}"
            if not certain:
                reason += "; the target's release is not told"
            yield Finding(_FAILS if certain else _UNKNOWN, subject, "instructions", extension.text, reason)

    def _ages(self) -> Ages:
        version = self._target.kernel_version
        if version:
            return Ages(version, version + 1)
        return Ages(*self._abi.ages) if self._abi is not None else Ages(0, 0)

    def _kind(self, step: LoadProgram, subject: str, abi: Abi) -> Iterator[Finding]:
        if abi.knows_program(step.type) is False:
            reason = f"the kernel is older than programs of type {step.type}"
            yield Finding(_FAILS, subject, "program type", str(step.type), reason)
        elif option := abi.without_program(step.type):
            reason = f"the kernel was built without {option}, which programs of type {step.type} need"
            yield Finding(_FAILS, subject, "program type", str(step.type), reason)
        if step.type in _FOR_GPL and not gpl_compatible(step):
            reason = f"programs of type {step.type} need a GPL-compatible license, and this one's is '{step.license}'"
            yield Finding(_FAILS, subject, "license", step.license, reason, (), GPL_REMEDY)
        if series := must_not_sleep(kind_of(step, abi), self._ages()):
            reason = f"programs of type {step.type} could not be sleepable up to Linux {series}"
            yield Finding(_FAILS, subject, "program type", f"sleepable {step.type}", reason)
        yield from self._place(step, subject, abi)
        attach = step.expected_attach_type
        if isinstance(attach, AttachType) and abi.knows_attachment(attach) is False:
            verdict, reason = _FAILS, f"the kernel is older than attach type {attach}"
            if step.type not in _BOUND_TO_ATTACH_TYPE:
                verdict, reason = _LOADS, f"it loads and cannot be attached as its section says: {reason}"
            yield Finding(verdict, subject, "attach type", str(attach), reason)

    def _place(self, step: LoadProgram, subject: str, abi: Abi) -> Iterator[Finding]:
        if step.attach.module is not None or step.attach.program is not None:
            return
        name = abi.name_of(step.attach.btf_id)
        if name and (refused := marks.refusal(step, name, abi, self._ages())):
            verdict = _FAILS if refused.certain else _UNKNOWN
            yield Finding(verdict, subject, "attach target", name, refused.reason, refused.evidence, refused.remedy)

    def _calls(self, step: LoadProgram, subject: str, abi: Abi, live: frozenset[InsnIndex]) -> Iterator[Finding]:
        poisoned = {each.insn for each in step.poisoned}
        # Of a constant of two slots both are poisoned.
        poisoned |= {InsnIndex(i + 1) for i in poisoned if is_poisoned(step.code, i + 1, self._spec.byteorder)}
        kind, ages = kind_of(step, abi), self._ages()
        for insn, source, number in iter_calls(step.code, self._spec.byteorder):
            if insn not in live or insn in poisoned or source == BPF_PSEUDO_CALL:
                continue
            if source == BPF_PSEUDO_KFUNC_CALL:
                # One of a module has the module's place in fd_array as its offset.
                name = "" if any(step.code[insn * SLOT + 2 : insn * SLOT + 4]) else abi.name_of(number)
                need, refused = "kernel function", kfuncs.refusal(step, kind, name, ages) if name else None
            else:
                name = f"bpf_{_HELPERS[number]}" if number in _HELPERS else f"helper {number}"
                need, refused = "helper", helpers.refusal(step, kind, number, ages, abi)
            if refused is not None:
                reason = f"it calls {name}() at instruction {insn}, {refused.reason}"
                verdict = _FAILS if refused.certain else _UNKNOWN
                yield Finding(verdict, subject, need, name, reason, refused.evidence, refused.remedy)

    def _variables(self, step: LoadProgram, subject: str, abi: Abi) -> Iterator[Finding]:
        """The kernel looks for variables that it has types of in its symbols, which may leave out all variables.

        It does that before it looks at what is reached.
        """
        for insn in iter_ldimm64(step.code):
            source = source_at(step.code, insn, self._spec.byteorder)
            # The second half names the module, if it is one's.
            if source != BPF_PSEUDO_BTF_ID or imm_at(step.code, insn + 1, self._spec.byteorder):
                continue
            name = abi.name_of(imm_at(step.code, insn, self._spec.byteorder))
            verdict = self._has_variable(name) if name else _LOADS
            if verdict is not _LOADS:
                perhaps = "perhaps " if verdict is _UNKNOWN else ""
                reason = f"it refers to '{name}' at instruction {insn}, a variable that {perhaps}is no kernel symbol"
                remedy = (
                    "a kernel built with CONFIG_KALLSYMS_ALL has it; give the configuration with the option kconfig"
                )
                yield Finding(verdict, subject, "kernel symbol", name, reason, (), remedy)

    def _has_variable(self, name: str) -> Verdict:
        """Whether a variable is among the kernel's symbols, by these or by the configuration."""
        try:
            return _LOADS if self._target.symbols().addresses(name) else _FAILS
        except NotPermitted:
            return _LOADS
        except UnknownFact:
            pass
        try:
            config = self._target.configuration()
            if config.value("CONFIG_KALLSYMS_ALL") == "y":
                return _LOADS
            # A few options given by hand are no configuration.
            return _FAILS if config.value("CONFIG_KALLSYMS") else _UNKNOWN
        except BpfError:
            return _UNKNOWN

    def _fields(self, plan: LoadPlan, step: LoadProgram, subject: str, abi: Abi) -> Iterator[Finding]:
        maps = {each.name: each for each in plan.maps()}
        for name in dict.fromkeys(slot.map for slot in step.slots):
            if name not in maps or self._spec.btf is None:
                continue
            for field in special_fields(maps[name], self._spec.btf):
                if str(step.type) in NOT_FOR[field] and abi.knows_struct(field):
                    reason = f"it uses map '{name}', whose values hold a {field}: programs of type {step.type} may not"
                    yield Finding(_FAILS, subject, "map type", field, reason)

    def map(self, step: CreateMap) -> Iterator[Finding]:
        """What stands in the way of one map."""
        subject = f"map '{step.name}'"
        if self._abi is None:
            return
        kind = str(step.type) if isinstance(step.type, MapType) else f"type {step.type}"
        if self._abi.knows_map(step.type) is False:
            yield Finding(_FAILS, subject, "map type", kind, f"the kernel is older than maps of type {kind}")
        elif option := self._abi.without_map(step.type):
            reason = f"the kernel was built without {option}, which maps of type {kind} need"
            yield Finding(_FAILS, subject, "map type", kind, reason)
        elif not step.max_entries and step.type not in _WITHOUT_ENTRIES and not step.pin_path:
            reason = f"a map of type {kind} needs max_entries"
            remedy = "set it in the file, or with spec.with_map(name, max_entries=...)"
            yield Finding(_FAILS, subject, "map type", kind, reason, (), remedy)
        elif step.inner is None and step.type in _OF_MAPS and not step.pin_path:
            reason = f"a map of type {kind} needs to know what its inner maps are like, and the file does not say it"
            remedy = "declare one as its values: __array(values, struct inner)"
            yield Finding(_FAILS, subject, "map type", kind, reason, (), remedy)


def _alone(spec: ObjectSpec, name: str) -> ObjectSpec:
    """The object with one program; slots of those that a load has beside it are not its matter."""
    beside = {each.name for each in spec.programs.values() if each.autoload and each.name != name}
    maps = dict(spec.maps)
    for each in spec.maps.values():
        if each.type == MapType.PROG_ARRAY and each.slots:
            maps[each.name] = replace(each, slots=tuple(slot for slot in each.slots if slot[1] not in beside))
    return replace(spec.with_programs(name), maps=maps)


def _of_error(error: BpfError, subject: str, spec: ObjectSpec) -> Finding:
    """The finding that an error of the loader's stages is."""
    verdict = _UNKNOWN if isinstance(error, UnknownFact) else _FAILS
    need = next((need for kind, need in _NEEDS if isinstance(error, kind)), "object")
    reason = getattr(error, "reason", "") or str(error).splitlines()[0]
    name = ""
    if isinstance(error, NotSupported):
        name, reason = error.feature, str(error).splitlines()[0]
    if isinstance(error, BtfError):
        reason = str(error)
    if isinstance(error, UnresolvedExtern):
        name, need = _extern(error, spec)
    if isinstance(error, PlanError | NotSupported):
        return Finding(verdict, subject, need, name, reason, error.evidence, error.remedy)
    return Finding(verdict, subject, need, name, reason)


_EXTERNS: Final = {
    ExternKind.KCONFIG: "configuration",
    ExternKind.KSYM: "kernel symbol",
    ExternKind.KFUNC: "kernel function",
}


def _extern(error: UnresolvedExtern, spec: ObjectSpec) -> tuple[str, str]:
    """Name and kind of the extern that an error is about."""
    for name, extern in spec.externs.items():
        if f"'{name}'" in error.reason:
            return name, _EXTERNS[extern.kind]
    return "", "extern"
