"""References to the kernel get their values from a described kernel."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from struct import unpack_from

import pytest

from purebpf.btf import Btf, BtfWriter, Forward, Function, FunctionProto, Int, Linkage, Pointer, Struct, Variable
from purebpf.errors import BpfError, NotPermitted, PlanError, UnknownFact, UnresolvedExtern
from purebpf.plan.kconfig import ConfigText
from purebpf.relocate import externs
from purebpf.relocate.externs import resolve_externs
from purebpf.relocate.model import Address, BtfSlot, KernelType, LinkedProgram, MapSlot, ResolvedExterns
from purebpf.spec import ExternCall, ExternKind, ExternSpec, ExternValue, MapSpec, ObjectSpec
from purebpf.spec.model import KconfigForm, MapOrigin
from purebpf.uapi import MapType
from purebpf.units import VOID, InsnIndex, TypeId

LOAD = b"\x18\x01" + bytes(14)
CALL = b"\x85\x10\0\0\xff\xff\xff\xff"
EXIT = b"\x95" + bytes(7)


class LocalTypes:
    """The object's types: 1 int, 2 void f(int), 3 int *, 4 struct task, 5 void g(struct task *)."""

    INT, FUNCTION, POINTER, STRUCT = TypeId(1), TypeId(2), TypeId(3), TypeId(4)

    @staticmethod
    def build() -> Btf:
        return Btf.parse(common().build())


def common(base: Btf | None = None) -> BtfWriter:
    """The types that object and kernel share, or a split BTF that continues them."""
    from purebpf.btf import Parameter

    writer = BtfWriter(base=base)
    if base is None:
        number = writer.add(Int("int", 4, 32, signed=True))
        writer.add(FunctionProto(VOID, (Parameter("n", number),)))
        writer.add(Pointer(number))
        writer.add(Struct("task", 4, ()))
    return writer


def kernel_btf() -> Btf:
    writer = common()
    writer.add(Function("bpf_take", LocalTypes.FUNCTION, Linkage.STATIC))
    writer.add(Function("bpf_other", writer.add(FunctionProto(LocalTypes.INT, ())), Linkage.STATIC))
    writer.add(Variable("runqueues", LocalTypes.STRUCT, Linkage.GLOBAL))
    return Btf.parse(writer.build())


@dataclass(frozen=True)
class Module:
    name: str
    btf: Btf


def module(name: str, *functions: str, variables: Iterable[str] = ()) -> Module:
    writer = common(kernel_btf())
    for function in functions:
        writer.add(Function(function, LocalTypes.FUNCTION, Linkage.STATIC))
    for variable in variables:
        writer.add(Variable(variable, LocalTypes.STRUCT, Linkage.GLOBAL))
    return Module(name, Btf.parse(writer.build(), base=kernel_btf()))


@dataclass
class Symbols:
    known: dict[str, tuple[int, ...]]

    def addresses(self, name: str) -> tuple[int, ...]:
        return self.known.get(name, ())

    def did_you_mean(self, name: str) -> list[str]:
        return [f"did you mean '{min(self.known)}'?"] if self.known else []


@dataclass
class Kernel:
    """A kernel of Python values."""

    btf: Btf | None = field(default_factory=kernel_btf)
    module_types: tuple[Module, ...] = ()
    config: str = ""
    known_symbols: dict[str, tuple[int, ...]] = field(default_factory=dict)
    virtual: dict[str, int] = field(default_factory=lambda: {"LINUX_KERNEL_VERSION": 6 << 16 | 99 << 8})
    name: str = "Linux 6.99"
    asked: list[str] = field(default_factory=list)

    def modules(self) -> Iterable[Module]:
        self.asked.append("modules")
        return self.module_types

    def configuration(self) -> ConfigText:
        self.asked.append("configuration")
        return ConfigText(self.config.encode(), "/boot/config-6.99")

    def symbols(self) -> Symbols:
        self.asked.append("symbols")
        return Symbols(self.known_symbols)

    def virtual_kconfig(self, name: str) -> int | None:
        return self.virtual.get(name)


class Hidden(Kernel):
    """One whose symbols cannot be read."""

    def __init__(self, error: BpfError) -> None:
        super().__init__()
        self.error = error

    def symbols(self) -> Symbols:
        raise self.error


def kfunc(name: str, type_id: TypeId = LocalTypes.FUNCTION, *, weak: bool = False) -> ExternSpec:
    return ExternSpec(name, ExternKind.KFUNC, type_id, weak, section=".ksyms")


def ksym(name: str, type_id: TypeId = VOID, *, weak: bool = False) -> ExternSpec:
    return ExternSpec(name, ExternKind.KSYM, type_id, weak, section=".ksyms")


def kconfig(name: str, offset: int = 0, *, weak: bool = False, form: KconfigForm = KconfigForm.INT) -> ExternSpec:
    size = 4 if form is KconfigForm.INT else 1
    return ExternSpec(
        name, ExternKind.KCONFIG, LocalTypes.INT, weak, size, size, offset, section=".kconfig", form=form
    )  # fmt: skip


def spec_of(*externs: ExternSpec) -> ObjectSpec:
    values = [extern for extern in externs if extern.kind is ExternKind.KCONFIG]
    maps = {}
    if values:
        maps[".kconfig"] = MapSpec(
            ".kconfig", MapType.ARRAY, 4, max(v.offset + v.size for v in values), 1, origin=MapOrigin.KCONFIG
        )
    return ObjectSpec(
        "test", "test.o", "little", "GPL", 0, LocalTypes.build(), {}, {}, maps,
        externs={extern.name: extern for extern in externs},
    )  # fmt: skip


def using(*names: str, calls: bool = False, program: str = "entry") -> LinkedProgram:
    """A program that loads the address of, or calls, each of these."""
    piece, step = (CALL, 1) if calls else (LOAD, 2)
    kind = ExternCall if calls else ExternValue
    externs = tuple(kind(InsnIndex(at * step), name) for at, name in enumerate(names))
    return LinkedProgram(program, piece * len(names) + EXIT, (), (), externs=externs)


def resolved(kernel: Kernel, program: LinkedProgram, *externs: ExternSpec) -> LinkedProgram:
    return resolve_externs(spec_of(*externs), [program], kernel).programs[0]


def insn(program: LinkedProgram, index: int) -> tuple[int, int, int, int]:
    """(opcode, source, offset, immediate)."""
    opcode, registers, offset, immediate = unpack_from("<BBhi", program.code, index * 8)
    return opcode, registers >> 4, offset, immediate


def refusal(kernel: Kernel, program: LinkedProgram, *externs: ExternSpec) -> str:
    with pytest.raises(UnresolvedExtern) as caught:
        resolved(kernel, program, *externs)
    return str(caught.value)


def test_a_program_without_externs_is_unchanged_and_nothing_is_read() -> None:
    program, kernel = LinkedProgram("entry", b"", (), ()), Kernel()
    assert resolve_externs(spec_of(), [program], kernel) == ResolvedExterns((program,))
    assert resolve_externs(spec_of(ksym("x"), kfunc("y")), [program], kernel).programs[0] is program
    assert kernel.asked == []


# ------------------------------------------------------------------ kconfig


def test_a_kconfig_value_is_an_address_in_its_map_whose_contents_are_made() -> None:
    kernel = Kernel(config="CONFIG_HZ=250\nCONFIG_BPF=y\n")
    externs = (
        kconfig("CONFIG_HZ"),
        kconfig("CONFIG_NO", 4, weak=True),
        kconfig("CONFIG_BPF", 8, form=KconfigForm.BOOL),
    )
    made = resolve_externs(spec_of(*externs), [using("CONFIG_NO", "CONFIG_BPF")], kernel)
    assert made.kconfig == b"\xfa\0\0\0" + bytes(4) + b"\1"
    program = made.programs[0]
    assert program.slots == (MapSlot(InsnIndex(0), ".kconfig", 4), MapSlot(InsnIndex(2), ".kconfig", 8))
    assert [insn(program, index)[1:] for index in range(4)] == [(2, 0, 0), (0, 0, 4), (2, 0, 0), (0, 0, 8)]


def test_the_loader_knows_some_values_itself() -> None:
    kernel = Kernel(virtual={"LINUX_KERNEL_VERSION": 0x060C00})
    externs = (kconfig("LINUX_KERNEL_VERSION"), kconfig("LINUX_NEW_THING", 4, weak=True))
    made = resolve_externs(spec_of(*externs), [using("LINUX_KERNEL_VERSION", "LINUX_NEW_THING")], kernel)
    assert made.kconfig == b"\0\x0c\x06\0" + bytes(4)
    assert "configuration" not in kernel.asked


def test_a_value_that_no_program_uses_may_be_anything() -> None:
    kernel = Kernel(config="CONFIG_HZ=y\n")
    externs = (kconfig("CONFIG_HZ"), kconfig("CONFIG_GONE", 4), kconfig("WEIRD", 8))
    made = resolve_externs(spec_of(*externs), [LinkedProgram("entry", EXIT, (), ())], kernel)
    assert made.kconfig == bytes(12)


def test_a_value_that_is_not_set_says_where_it_was_looked_up_and_what_to_do() -> None:
    assert refusal(Kernel(config="CONFIG_HZ=1\n"), using("CONFIG_HX"), kconfig("CONFIG_HX")) == (
        "cannot prepare program 'entry', instruction 0: kernel configuration value 'CONFIG_HX' cannot be had: "
        "it is not set\n"
        "  looked up in /boot/config-6.99\n"
        "  did you mean 'CONFIG_HZ'?\n"
        "declare it __weak, to get 0 where it is not set, or say what to take: kconfig='CONFIG_HX=...'"
    )


def test_a_value_that_does_not_fit_says_how_it_is_declared() -> None:
    assert refusal(Kernel(config="CONFIG_HZ=m"), using("CONFIG_HZ"), kconfig("CONFIG_HZ")) == (
        "cannot prepare program 'entry', instruction 0: kernel configuration value 'CONFIG_HZ' cannot be had: "
        "the value 'm' does not fit its declaration as an integer\n"
        "  declared in the file as int CONFIG_HZ\n"
        "declare it as what holds it: bool or enum libbpf_tristate for y, m and n, int or long for a number, char[] "
        "for a text"
    )


@pytest.mark.parametrize("name", ["LINUX_NEW_THING", "OTHER"])
def test_a_name_that_no_configuration_has_is_refused(name: str) -> None:
    weak = name == "OTHER"
    assert "no loader knows a value of that name" in refusal(Kernel(), using(name), kconfig(name, weak=weak))


# ------------------------------------------------------------------ addresses


def test_a_symbol_without_type_is_its_address_in_the_code() -> None:
    kernel = Kernel(known_symbols={"_text": (0xFFFFFFFF81000000,)})
    program = resolved(kernel, using("_text", "missing"), ksym("_text"), ksym("missing", weak=True))
    assert [insn(program, index)[1:] for index in range(4)] == [
        (0, 0, -0x7F000000), (0, 0, -1), (0, 0, 0), (0, 0, 0),
    ]  # fmt: skip
    assert kernel.asked == ["symbols"]


def test_a_missing_symbol_names_near_ones() -> None:
    message = refusal(Kernel(known_symbols={"_text": (1,)}), using("_test"), ksym("_test"))
    assert (
        "kernel symbol '_test' cannot be had: Linux 6.99 has no symbol of that name\n  did you mean '_text'?" in message
    )
    assert "CONFIG_KALLSYMS_ALL" in message


def test_symbols_of_one_name_at_several_addresses_are_refused_even_if_weak() -> None:
    kernel = Kernel(known_symbols={"init": (0x10, 0x20), "same": (0x30, 0x30)})
    assert "2 symbols of that name, at different addresses: 0x10, 0x20" in refusal(
        kernel, using("init"), ksym("init", weak=True)
    )
    assert insn(resolved(kernel, using("same"), ksym("same")), 0)[3] == 0x30


# ------------------------------------------------------------------ types


def test_a_variable_with_a_type_is_its_id() -> None:
    runqueues = kernel_btf().find_one("runqueues")
    program = resolved(Kernel(), using("runqueues"), ksym("runqueues", LocalTypes.STRUCT))
    assert insn(program, 0)[1:] == (3, 0, runqueues)
    assert insn(program, 1)[3] == 0
    assert program.btf_slots == ()


def test_a_modules_variable_takes_the_modules_fd() -> None:
    kernel = Kernel(module_types=(module("first", "f"), module("second", variables=["stats"])))
    program = resolved(kernel, using("runqueues", "stats"), ksym("runqueues", LocalTypes.STRUCT),
                       ksym("stats", LocalTypes.STRUCT))  # fmt: skip
    assert program.btf_slots == (BtfSlot(InsnIndex(2), "second"),)
    assert insn(program, 2)[3] == kernel.module_types[1].btf.find_one("stats")


def test_a_function_of_the_kernel_is_called_by_its_id_whatever_its_flavour() -> None:
    take = kernel_btf().find_one("bpf_take")
    program = resolved(
        Kernel(), using("bpf_take", "bpf_take___old", calls=True), kfunc("bpf_take"), kfunc("bpf_take___old")
    )
    assert insn(program, 0) == insn(program, 1) == (0x85, 2, 0, take)
    assert program.fd_array == ()


def test_functions_of_modules_are_called_by_the_place_of_their_module_in_the_fd_array() -> None:
    kernel = Kernel(module_types=(module("nf", "bpf_b", "bpf_c"), module("crypto", "bpf_a", "bpf_b")))
    externs = [kfunc(name) for name in ("bpf_a", "bpf_b", "bpf_c", "bpf_take")]
    spec = spec_of(*externs)
    programs = [using("bpf_c", "bpf_take", calls=True), using("bpf_a", "bpf_b", calls=True, program="second"),
                using("bpf_take", calls=True, program="third")]  # fmt: skip
    made = resolve_externs(spec, programs, kernel)
    assert [program.fd_array for program in made.programs] == [("", "crypto", "nf"), ("", "crypto", "nf"), ()]
    assert [insn(made.programs[0], index)[2] for index in range(2)] == [2, 0]
    assert [insn(made.programs[1], index)[2] for index in range(2)] == [1, 2]
    assert made.found["bpf_a"] == KernelType(kernel.module_types[1].btf.find_one("bpf_a") or VOID, "crypto")


def test_the_address_of_a_function_of_a_module_takes_the_modules_fd() -> None:
    kernel = Kernel(module_types=(module("nf", "bpf_b"),))
    assert resolved(kernel, using("bpf_b"), kfunc("bpf_b")).btf_slots == (BtfSlot(InsnIndex(0), "nf"),)


def test_a_weak_function_that_is_not_there_is_0_and_its_call_poisoned() -> None:
    uses = ExternValue(InsnIndex(0), "bpf_x"), ExternCall(InsnIndex(2), "bpf_x")
    program = LinkedProgram("entry", LOAD + CALL + EXIT, (), (), externs=uses)
    done = resolved(Kernel(), program, kfunc("bpf_a"), kfunc("bpf_x", weak=True))
    assert (insn(done, 0)[3], insn(done, 1)[3]) == (0, 0)
    assert done.code[16:24] == b"\x85\0\0\0" + (2002000001).to_bytes(4, "little")


def test_a_weak_function_of_another_type_counts_as_missing_and_a_strong_one_is_refused() -> None:
    other = kfunc("bpf_other", weak=True)
    assert insn(resolved(Kernel(), using("bpf_other", calls=True), other), 0)[3] == 2002000000
    assert refusal(Kernel(), using("bpf_other", calls=True), replace(other, weak=False)) == (
        "cannot prepare program 'entry', instruction 0: kernel function 'bpf_other' cannot be had: the kernel has it "
        "with another type\n"
        "  declared in the file as void (int n) bpf_other\n"
        "  in the kernel it is int bpf_other(void)\n"
        "declare it as the kernel has it: purebpf btf c running"
    )


def test_a_variable_of_another_type_is_refused_even_if_weak() -> None:
    message = refusal(Kernel(), using("runqueues"), ksym("runqueues", LocalTypes.INT, weak=True))
    assert "declared in the file as int runqueues\n  in the kernel it is struct task runqueues" in message


def declaring(kernel_defines: bool) -> tuple[Kernel, ObjectSpec]:
    """A variable of a struct that only one side defines: the kernel, else the object."""
    sides = []
    for defined in (kernel_defines, not kernel_defines):
        writer = BtfWriter()
        writer.add(Struct("rq", 4, ()) if defined else Forward("rq"))
        writer.add(Variable("queue", TypeId(1), Linkage.GLOBAL))
        sides.append(Btf.parse(writer.build()))
    kernel, local = sides
    return Kernel(kernel), replace(spec_of(ksym("queue", TypeId(1))), btf=local)


def test_a_struct_that_the_file_only_declares_is_named() -> None:
    kernel, declared = declaring(kernel_defines=True)
    with pytest.raises(UnresolvedExtern) as caught:
        resolve_externs(declared, [using("queue")], kernel)
    assert str(caught.value) == (
        "cannot prepare program 'entry', instruction 0: kernel symbol 'queue' cannot be had: the file does not "
        "define struct rq, which the kernel does\n"
        "  declared in the file as struct rq queue\n"
        "give struct rq a body in the file, if only an empty one, or include vmlinux.h"
    )


def test_a_struct_that_only_the_file_defines_is_named() -> None:
    kernel, declared = declaring(kernel_defines=False)
    with pytest.raises(UnresolvedExtern, match="the file defines struct rq, which the kernel does not") as caught:
        resolve_externs(declared, [using("queue")], kernel)
    assert str(caught.value).endswith("only declare it in the file, as the kernel does: struct rq;")


@pytest.mark.parametrize(
    ("known", "config", "said"),
    [
        (
            {"jiffies": (0x10,)},
            "",
            "it has a symbol of that name, without a type: the kernel's types list the variables",
        ),
        ({}, "", "nor is a symbol of that name known, but those of variables take CONFIG_KALLSYMS_ALL"),
        ({}, "CONFIG_KALLSYMS_ALL=y\n", "nor has it a symbol of that name: this kernel was built without it"),
    ],
)
def test_a_missing_variable_says_whether_the_kernel_has_it_without_a_type(
    known: dict[str, tuple[int, ...]], config: str, said: str
) -> None:
    message = refusal(Kernel(known_symbols=known, config=config), using("jiffies"), ksym("jiffies", LocalTypes.INT))
    assert "Linux 6.99 has no variable of that name with a type\n" in message
    assert said in message
    assert ("declare it 'extern const void jiffies __ksym'; " in message) == ("built without" not in message)
    assert message.endswith("declare it __weak, to do without")


def test_a_missing_variable_of_which_no_symbols_can_be_asked_says_what_types_list() -> None:
    message = refusal(Hidden(UnknownFact("no symbols are given")), using("jiffies"), ksym("jiffies", LocalTypes.INT))
    assert "\n  the kernel's types list the variables that each CPU has its own of, and few others\n" in message


def test_a_symbol_whose_address_is_hidden_is_there_all_the_same() -> None:
    hidden = Hidden(NotPermitted("read the address of kernel symbol", "jiffies", 1))
    message = refusal(hidden, using("jiffies"), ksym("jiffies", LocalTypes.INT))
    assert "it has a symbol of that name, without a type" in message


def test_a_variable_that_is_a_function_says_so() -> None:
    message = refusal(Kernel(), using("bpf_take"), ksym("bpf_take", LocalTypes.INT))
    assert "no variable of that name but a function" in message
    assert "'extern const void bpf_take __ksym'; to call it, as a function" in message


def test_a_function_that_only_the_symbols_have_is_one_that_no_program_may_call() -> None:
    kernel = Kernel(known_symbols={"bpf_hidden": (0x10,)})
    message = refusal(kernel, using("bpf_hidden", calls=True), kfunc("bpf_hidden"))
    assert "it has a symbol of that name, which its types do not list: no program may call it" in message


def test_a_missing_function_names_near_ones_and_what_may_bring_it() -> None:
    kernel = Kernel(module_types=(module("nf", "bpf_b"),))
    assert refusal(kernel, using("bpf_xdp_ct_lookup", calls=True), kfunc("bpf_xdp_ct_lookup")) == (
        "cannot prepare program 'entry', instruction 0: kernel function 'bpf_xdp_ct_lookup' cannot be had: "
        "Linux 6.99 has no function of that name\n"
        "  looked up in the types of the kernel and of 1 module\n"
        "  functions of this kind came with Linux 5.18 or later; they need CONFIG_NF_CONNTRACK; they may lie in a "
        "module: nf_conntrack (modprobe)\n"
        "declare it __weak, and ask bpf_ksym_exists() before the call"
    )
    assert "did you mean 'bpf_take' or" in refusal(Kernel(), using("bpf_tak", calls=True), kfunc("bpf_tak"))


@pytest.mark.parametrize(
    ("virtual", "remedy"),
    [
        ({"LINUX_KERNEL_VERSION": 6 << 16 | 4 << 8}, "ask bpf_ksym_exists() before the call"),
        (
            {"LINUX_KERNEL_VERSION": 6 << 16 | 1 << 8 | 170},
            "decide by a constant (.rodata) set before loading (bpf_ksym_exists() fails up to Linux 6.3 where the "
            "function exists)",
        ),
        (
            {},
            "ask bpf_ksym_exists() before the call; up to Linux 6.3, where that fails if the function exists, "
            "decide by a constant (.rodata) set before loading",
        ),
    ],
)
def test_how_a_program_finds_out_about_a_function_goes_by_the_kernels_version(
    virtual: dict[str, int], remedy: str
) -> None:
    message = refusal(Kernel(virtual=virtual), using("bpf_tak", calls=True), kfunc("bpf_tak"))
    assert message.endswith(f"\ndeclare it __weak, and {remedy}")


def test_a_missing_variable_says_that_its_address_may_do() -> None:
    message = refusal(Kernel(), using("jiffies"), ksym("jiffies", LocalTypes.INT))
    assert "'extern const void jiffies __ksym'" in message
    assert "variables that each CPU has its own of" in message


def test_a_kernel_without_types_is_the_reason_for_strong_ones_and_none_for_weak_ones() -> None:
    kernel = Kernel(btf=None)
    assert "CONFIG_DEBUG_INFO_BTF" in refusal(kernel, using("bpf_take", calls=True), kfunc("bpf_take"))
    weak = resolved(
        kernel, using("bpf_take", "q", calls=False), kfunc("bpf_take", weak=True), ksym("q", LocalTypes.INT, weak=True)
    )
    assert [insn(weak, index)[3] for index in range(4)] == [0, 0, 0, 0]


# ------------------------------------------------------------------ errors


def test_all_that_is_missing_is_named_at_once_the_first_with_its_reason() -> None:
    externs = (kconfig("CONFIG_GONE"), ksym("lost"), kfunc("bpf_gone"))
    message = refusal(Kernel(), using("CONFIG_GONE", "lost", "bpf_gone"), *externs)
    assert "kernel configuration value 'CONFIG_GONE' cannot be had: it is not set" in message
    assert "nor can be had: kernel symbol 'lost', kernel function 'bpf_gone'" in message


def test_near_names_are_looked_for_once_however_much_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def did_you_mean(wanted: str, names: Iterable[str]) -> list[str]:
        asked.append(wanted)
        return []

    monkeypatch.setattr(externs, "did_you_mean", did_you_mean)
    gone = [kfunc(f"bpf_gone_{letter}") for letter in "abc"]
    message = refusal(Kernel(), using(*(extern.name for extern in gone), calls=True), *gone)
    assert "nor can be had: kernel function 'bpf_gone_b', kernel function 'bpf_gone_c'" in message
    assert asked == ["bpf_gone_a"]


def test_a_kernel_that_tells_too_little_is_an_error_that_names_who_asks() -> None:
    class Silent(Kernel):
        def configuration(self) -> ConfigText:
            raise PlanError("no configuration")

    with pytest.raises(PlanError, match="no configuration") as caught:
        resolved(Silent(), using("CONFIG_HZ"), kconfig("CONFIG_HZ"))
    assert caught.value.__notes__ == ["program 'entry' asks for kernel configuration value 'CONFIG_HZ'"]
    unused = resolve_externs(spec_of(kconfig("CONFIG_HZ")), [LinkedProgram("entry", EXIT, (), ())], Silent())
    assert unused.kconfig == bytes(4)


def test_what_the_file_does_not_declare_is_said_to_be_missing_from_a_link() -> None:
    undeclared = ExternSpec("helper", ExternKind.KFUNC, VOID, weak=False)
    message = refusal(Kernel(), using("helper", calls=True), undeclared)
    assert "the file uses it, but neither defines it nor says that the kernel has it" in message


def test_an_extern_of_a_file_without_types_is_said_to_need_them() -> None:
    spec = replace(spec_of(ExternSpec("helper", ExternKind.KFUNC, VOID, weak=False)), btf=None)
    with pytest.raises(UnresolvedExtern, match=r"has no types \(BTF\)(.|\n)*compile with -g"):
        resolve_externs(spec, [using("helper", calls=True)], Kernel())


def test_a_value_cannot_be_called() -> None:
    assert "'CONFIG_HZ' is called, but is no function" in refusal(
        Kernel(config="CONFIG_HZ=1"), using("CONFIG_HZ", calls=True), kconfig("CONFIG_HZ")
    )


def test_the_same_symbol_is_found_once_for_all_programs() -> None:
    kernel = Kernel(known_symbols={"_text": (1,)})
    programs = [using("_text"), using("_text", program="second")]
    made = resolve_externs(spec_of(ksym("_text")), programs, kernel)
    assert made.found == {"_text": Address(1)}
    assert kernel.asked == ["symbols"]


def test_types_too_deep_to_compare_name_program_and_extern() -> None:
    sides = []
    for _ in range(2):
        writer = BtfWriter()
        deep = writer.add(Int("int", 4, 32, signed=True))
        for _ in range(40):
            deep = writer.add(Pointer(deep))
        writer.add(Variable("queue", deep, Linkage.GLOBAL))
        sides.append((Btf.parse(writer.build()), deep))
    (kernel, _), (local, deep) = sides
    declared = replace(spec_of(ksym("queue", deep)), btf=local)
    with pytest.raises(UnresolvedExtern) as caught:
        resolve_externs(declared, [using("queue")], Kernel(kernel))
    text = str(caught.value)
    assert text.startswith(
        "cannot prepare program 'entry', instruction 0: kernel symbol 'queue' cannot be had: types are "
    )
    assert "nested more than 32 deep" in text
    assert "CO-RE" not in text
