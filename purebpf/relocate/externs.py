"""The stage `externs`: references to kconfig values, kernel symbols and kernel functions get their values.

- A kconfig value lies in the map `.kconfig`, whose contents are made here.
- A kernel variable declared `void` is an address of /proc/kallsyms.
- One with a type, and a kernel function, is a type id: of the kernel's BTF, else of the first module's that has the
  name. Its type must be compatible with the declared one.

Rules: only what a program of the load refers to is looked for, and an extern that no such program uses may be
anything. Modules and their order in the fd array are those of the object, not of one program, so that the code is
libbpf's. `extern_code` puts what was found into the programs.
"""

from __future__ import annotations

from contextlib import suppress

from purebpf.btf import Btf, Function, InfoSection, Kind, Variable, line_at, resolve
from purebpf.errors import BpfError, NotPermitted, RelocationError, UnresolvedExtern
from purebpf.frozen import Frozen, Mutable, field
from purebpf.near import did_you_mean
from purebpf.relocate.comparison import types_compatible
from purebpf.relocate.compat import essential_name
from purebpf.relocate.extern_code import fill, word_for
from purebpf.relocate.kconfig import encode, encode_number
from purebpf.relocate.model import KCONFIG_MAP, Address, Failure, Found, KernelType, LinkedProgram, ResolvedExterns
from purebpf.spec.model import DUMMY, ExternCall, ExternKind, ExternSpec, ExternValue, ObjectSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Final

    from purebpf.relocate.kernel_facts import KernelFacts, Symbols
    from purebpf.units import TypeId

_MOST_MODULES: Final = 0x7FFF
# Linux 6.4: a program can hold the address of a kernel function (58aa2afbb1e6).
_FUNCTION_ADDRESSES: Final = 6 << 16 | 4 << 8


def resolve_externs(spec: ObjectSpec, programs: Sequence[LinkedProgram], kernel: KernelFacts) -> ResolvedExterns:
    """The programs with their externs filled in; `UnresolvedExtern` for what is not there and not weak."""
    if not spec.externs:
        return ResolvedExterns(tuple(programs))
    resolver = _Resolver(spec, kernel, _first_uses(programs))
    resolver.resolve_all()
    return ResolvedExterns(
        tuple(
            fill(spec, program, resolver.found, resolver.fd_array, resolver.why_absent) if program.externs else program
            for program in programs
        ),
        bytes(resolver.image) if KCONFIG_MAP in spec.maps else None,
        resolver.found,
    )


class _Use(Frozen):
    program: LinkedProgram
    reference: ExternValue | ExternCall


def _first_uses(programs: Iterable[LinkedProgram]) -> dict[str, _Use]:
    uses: dict[str, _Use] = {}
    for program in programs:
        for reference in program.externs:
            uses.setdefault(reference.extern, _Use(program, reference))
    return uses


class _Missing(Exception):
    """An extern that cannot be had: the reason, and the lines that explain it."""

    def __init__(self, reason: str, evidence: Iterable[str] = (), remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.evidence = tuple(evidence)
        self.remedy = remedy


class _Resolver(Mutable):
    """Finds the externs of one object on one kernel."""

    spec: ObjectSpec
    kernel: KernelFacts
    uses: Mapping[str, _Use]
    found: dict[str, Found] = field(default_factory=dict)
    image: bytearray = field(default_factory=bytearray)
    fd_array: list[str] = field(default_factory=lambda: [""])
    symbols: Symbols | None = None
    failed: list[tuple[ExternSpec, _Missing]] = field(default_factory=list)

    def resolve_all(self) -> None:
        """Find all that is used, or raise for the first that is missing, the others named with it."""
        if KCONFIG_MAP in self.spec.maps:
            self.image = bytearray(self.spec.maps[KCONFIG_MAP].value_size)
        for extern in self.spec.externs.values():
            if extern.kind is ExternKind.KCONFIG and extern.name not in self.uses:
                # The map holds it all the same; what it would be is nobody's trouble.
                with suppress(_Missing, BpfError):
                    self._set_kconfig(extern)
            elif extern.name in self.uses:
                try:
                    self._resolve(extern)
                except _Missing as missing:
                    self.failed.append((extern, missing))
                except RelocationError as error:
                    # Of comparing types, which knows nothing of externs.
                    self.failed.append((extern, _Missing(error.reason)))
                except BpfError as error:
                    program = self.uses[extern.name].program.name
                    error.add_note(f"program '{program}' asks for {word_for(extern)} '{extern.name}'")
                    raise
        if self.failed:
            raise self._error(*self.failed[0], [extern for extern, _ in self.failed[1:]])

    def _resolve(self, extern: ExternSpec) -> None:
        if not extern.section:
            if self.spec.btf is None:
                raise _Missing(
                    "the file uses it, does not define it, and has no types (BTF) that would say where it comes from",
                    remedy="compile with -g, and do not strip .BTF",
                )
            raise _Missing(
                "the file uses it, but neither defines it nor says that the kernel has it",
                remedy="declare what the kernel has __ksym, and what its configuration says __kconfig; what another "
                "object file defines is linked with it first: purebpf link",
            )
        if extern.kind is ExternKind.KCONFIG:
            self._set_kconfig(extern)
        elif extern.type:
            self.found[extern.name] = found = self._find_type(extern)
            if found is not None and found.module and extern.kind is ExternKind.KFUNC:
                self._reserve(found.module)
        else:
            self.found[extern.name] = self._find_address(extern)

    # ------------------------------------------------------------ kconfig

    def _set_kconfig(self, extern: ExternSpec) -> None:
        try:
            is_set_by_config = extern.name.startswith("CONFIG_")
            encoded = self._config_value(extern) if is_set_by_config else self._virtual_value(extern)
        except ValueError as error:
            raise _Missing(
                str(error),
                [f"declared in the file as {_declaration(self.spec, extern)}"],
                "declare it as what holds it: bool or enum libbpf_tristate for y, m and n, int or long for a number, "
                "char[] for a text",
            ) from None
        if encoded is not None:
            self.image[extern.offset : extern.offset + len(encoded)] = encoded

    def _config_value(self, extern: ExternSpec) -> bytes | None:
        config = self.kernel.configuration()
        value = config.value(extern.name)
        if value is not None:
            return encode(extern, value, self.spec.byteorder)
        if extern.weak:
            return None
        raise _Missing(
            "it is not set",
            [f"looked up in {config.source}", *config.did_you_mean(extern.name)],
            f"declare it __weak, to get 0 where it is not set, or say what to take: kconfig='{extern.name}=...'",
        )

    def _virtual_value(self, extern: ExternSpec) -> bytes | None:
        value = self.kernel.virtual_kconfig(extern.name)
        if value is not None:
            return encode_number(extern, value, self.spec.byteorder)
        if extern.weak and extern.name.startswith("LINUX_"):
            return None
        raise _Missing(
            "no loader knows a value of that name",
            [
                "names begin with CONFIG_, or are LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE or "
                "LINUX_HAS_SYSCALL_WRAPPER; any other LINUX_ name must be __weak and is 0"
            ],
        )

    # ------------------------------------------------------------ kernel symbols

    def _find_address(self, extern: ExternSpec) -> Address:
        if self.symbols is None:
            self.symbols = self.kernel.symbols()
        symbols = self.symbols
        addresses = sorted(set(symbols.addresses(extern.name)))
        if len(addresses) > 1:
            places = ", ".join(f"{address:#x}" for address in addresses[:5])
            raise _Missing(f"the kernel has {len(addresses)} symbols of that name, at different addresses: {places}")
        if addresses:
            return Address(addresses[0])
        if extern.weak:
            return Address(0)
        raise _Missing(
            f"{self.kernel.name} has no symbol of that name",
            symbols.did_you_mean(extern.name),
            "kernels built without CONFIG_KALLSYMS_ALL tell the addresses of functions only; declare it __weak, to "
            "get 0 where it is missing",
        )

    # ------------------------------------------------------------ types

    def _find_type(self, extern: ExternSpec) -> KernelType | None:
        is_function = extern.kind is ExternKind.KFUNC
        name = essential_name(extern.name) if is_function else extern.name
        place = self._look_up(name, Kind.FUNC if is_function else Kind.VAR)
        if place is None:
            if extern.weak:
                return None
            # Only the first is told with its reason, and near names cost 0.1 s of reading all the kernel's.
            raise self._no_such_type(extern, name) if not self.failed else _Missing("it is not there")
        btf, found = place
        kernel_type = _type_behind(btf, found.id)
        if self.spec.btf is None or types_compatible(self.spec.btf, extern.type, btf, kernel_type):
            return found
        if extern.weak and is_function:
            return None
        raise self._another_type(extern, btf, found)

    def _look_up(self, name: str, kind: Kind) -> tuple[Btf, KernelType] | None:
        btf = self.kernel.btf
        if btf is None:
            return None
        found = btf.find_one(name, kind)
        if found is not None:
            return btf, KernelType(found)
        for module in self.kernel.modules():
            own = [type_id for type_id in module.btf.find(name, kind) if type_id >= module.btf.first_id]
            if own:
                return module.btf, KernelType(own[0], module.name)
        return None

    def _no_such_type(self, extern: ExternSpec, name: str) -> _Missing:
        """Why a function or variable was not found, and what may bring it."""
        btf = self.kernel.btf
        if btf is None:
            return _Missing(
                f"{self.kernel.name} has no type information (BTF), which tells where it is",
                remedy="it needs a kernel built with CONFIG_DEBUG_INFO_BTF; declare it __weak, to do without",
            )
        # Loaded here because nobody needs them unless something is missing.
        from purebpf.btf.names import names_of
        from purebpf.relocate.providers import callable_names, provider_of

        is_function = extern.kind is ExternKind.KFUNC
        modules = list(self.kernel.modules())
        others = f"and of {len(modules)} module{'s' * (len(modules) > 1)}" if modules else "(no module's can be read)"
        known = callable_names(btf, *(module.btf for module in modules)) if is_function else names_of(btf, Kind.VAR)
        evidence = [f"looked up in the types of the kernel {others}", *did_you_mean(name, known)]
        if not is_function:
            return self._no_such_variable(name, evidence)
        if self._has_symbol(name):
            evidence.append("it has a symbol of that name, which its types do not list: no program may call it")
        provider = provider_of(name)
        if provider is not None:
            evidence.append(provider)
        return _Missing(
            f"{self.kernel.name} has no function of that name",
            evidence,
            f"declare it __weak, and {self._decide_before_the_call()}",
        )

    def _decide_before_the_call(self) -> str:
        """How a program finds out whether the kernel has a weak function."""
        version = None
        with suppress(BpfError):
            version = self.kernel.virtual_kconfig("LINUX_KERNEL_VERSION")
        ask, decide = "ask bpf_ksym_exists() before the call", "decide by a constant (.rodata) set before loading"
        if version is None:
            return f"{ask}; up to Linux 6.3, where that fails if the function exists, {decide}"
        if version >= _FUNCTION_ADDRESSES:
            return ask
        return f"{decide} (bpf_ksym_exists() fails up to Linux 6.3 where the function exists)"

    def _no_such_variable(self, name: str, evidence: list[str]) -> _Missing:
        assert self.kernel.btf is not None
        without = "declare it __weak, to do without"
        if self.kernel.btf.find_one(name, Kind.FUNC) is not None:
            return _Missing(
                f"{self.kernel.name} has no variable of that name but a function",
                evidence,
                f"for its address declare it 'extern const void {name} __ksym'; to call it, as a function",
            )
        listed = "the kernel's types list the variables that each CPU has its own of, and few others"
        address = f"for its address alone declare it 'extern const void {name} __ksym'; "
        match self._has_symbol(name):
            case True:
                listed = f"it has a symbol of that name, without a type: {listed}"
            case False if self._tells_all_symbols():
                listed, address = "nor has it a symbol of that name: this kernel was built without it", ""
            case False:
                listed += "; nor is a symbol of that name known, but those of variables take CONFIG_KALLSYMS_ALL"
        return _Missing(
            f"{self.kernel.name} has no variable of that name with a type", [*evidence, listed], address + without
        )

    def _has_symbol(self, name: str) -> bool | None:
        """Whether the kernel has a symbol of that name; None where nobody can tell."""
        try:
            return bool(self.kernel.symbols().addresses(name))
        except NotPermitted:
            return True  # It is there, and its address is hidden.
        except BpfError:
            return None

    def _tells_all_symbols(self) -> bool:
        with suppress(BpfError):
            return self.kernel.configuration().value("CONFIG_KALLSYMS_ALL") == "y"
        return False

    def why_absent(self, extern: ExternSpec) -> Failure:
        """What to say if the verifier reaches a call of a weak function that is not there."""
        name = essential_name(extern.name)
        place = self._look_up(name, Kind.FUNC)
        remedy = self._decide_before_the_call()
        if place is None:
            missing = self._no_such_type(extern, name)
        else:
            missing = self._another_type(extern, *place)
            remedy = f"{missing.remedy}; or {remedy}"
        return Failure(
            f"it calls the weak kernel function '{extern.name}', and {missing.reason}", missing.evidence, remedy
        )

    def _another_type(self, extern: ExternSpec, btf: Btf, found: KernelType) -> _Missing:
        # Loaded here because only errors need them.
        from purebpf.btf import Forward, Struct, Union, type_name
        from purebpf.relocate.mismatch import first_mismatch

        where = f"module {found.module}" if found.module else "the kernel"
        declared = f"declared in the file as {_declaration(self.spec, extern)}"
        assert self.spec.btf is not None
        pair = first_mismatch(self.spec.btf, extern.type, btf, _type_behind(btf, found.id))
        match pair and (self.spec.btf[pair[0]], btf[pair[1]]):
            case (Forward() as ours, Struct() | Union()):
                word = f"{'union' if ours.is_union else 'struct'} {ours.name}"
                return _Missing(
                    f"the file does not define {word}, which {where} does",
                    [declared],
                    f"give {word} a body in the file, if only an empty one, or include vmlinux.h",
                )
            case (Struct() | Union(), Forward() as theirs):
                word = f"{'union' if theirs.is_union else 'struct'} {theirs.name}"
                return _Missing(
                    f"the file defines {word}, which {where} does not",
                    [declared],
                    f"only declare it in the file, as {where} does: {word};",
                )
        return _Missing(
            f"{where} has it with another type",
            [declared, f"in {where} it is {type_name(btf, found.id)}"],
            "declare it as the kernel has it: purebpf btf c running",
        )

    def _reserve(self, module: str) -> None:
        if module not in self.fd_array:
            if len(self.fd_array) > _MOST_MODULES:
                raise _Missing(f"the object uses functions of more than {_MOST_MODULES} modules")
            self.fd_array.append(module)

    # ------------------------------------------------------------ errors

    def _error(self, extern: ExternSpec, missing: _Missing, others: Sequence[ExternSpec]) -> UnresolvedExtern:
        use = self.uses[extern.name]
        evidence = list(missing.evidence)
        line = _source_line(self.spec, use)
        if line:
            evidence.insert(0, f"at {line}")
        if others:
            named = ", ".join(f"{word_for(other)} '{other.name}'" for other in others)
            evidence.append(f"nor can be had: {named}")
        return UnresolvedExtern(
            f"{word_for(extern)} '{extern.name}' cannot be had: {missing.reason}",
            program=use.program.name,
            insn=use.reference.insn,
            evidence=evidence,
            remedy=missing.remedy,
        )


def _type_behind(btf: Btf, type_id: TypeId) -> TypeId:
    """The prototype of a function; the type of a variable without its modifiers and typedefs."""
    found = btf[type_id]
    if isinstance(found, Variable):
        return resolve(btf, found.type)
    assert isinstance(found, Function)
    return found.type


def _declaration(spec: ObjectSpec, extern: ExternSpec) -> str:
    """The declaration as C. The types have functions as they are, but variables as ints."""
    # Loaded here because only errors need it.
    import re

    from purebpf.btf import type_name

    if spec.btf is None:
        return extern.name
    function = spec.btf.find_one(extern.name, Kind.FUNC) if extern.kind is ExternKind.KFUNC else None
    if function is None:
        return f"{type_name(spec.btf, extern.type)} {extern.name}"
    # The name that parameters without one were given, for the kernel's sake.
    return re.sub(rf" ?\b{DUMMY}\b", "", type_name(spec.btf, function))


def _source_line(spec: ObjectSpec, use: _Use) -> str:
    """'file.c:12  text' of the C line of a use, '' where the file does not tell."""
    if spec.btf is None or not use.program.line_info:
        return ""
    return line_at(InfoSection(spec.line_info_record_size, use.program.line_info), spec.btf, use.reference.insn)
