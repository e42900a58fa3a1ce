"""Global symbols of one name become one, or the files do not go together."""

import pytest

from purebpf.btf import Array, DataSection, Member, Pointer, SectionVariable, Struct
from purebpf.elf import SHN_UNDEF, ElfFile, Symbol, SymbolBinding, SymbolType, SymbolVisibility
from purebpf.errors import SpecError
from purebpf.units import BitOffset, TypeId
from tests.unit.linker.objects import ADDRESS, CALL, declare_function, declare_variable, linked, returning
from tests.writers import TypedObjectWriter

WEAK, LOCAL, GLOBAL = SymbolBinding.WEAK, SymbolBinding.LOCAL, SymbolBinding.GLOBAL


def _symbol(elf: ElfFile, name: str) -> Symbol:
    (found,) = [symbol for symbol in elf.symbols if symbol.name == name]
    return found


def _code_of(elf: ElfFile, name: str) -> bytes:
    symbol = _symbol(elf, name)
    return elf.sections[symbol.section].data[symbol.value : symbol.value + symbol.size]


@pytest.mark.parametrize("definition_first", [True, False])
def test_a_definition_answers_an_undefined_symbol_in_any_order(definition_first: bool) -> None:
    user = TypedObjectWriter().function("entry", CALL, section="xdp")
    declare_function(user, "helper")
    user.call("entry", 0, "helper")
    definer = TypedObjectWriter().function("helper", returning(7))
    elf = linked(definer, user) if definition_first else linked(user, definer)
    assert _code_of(elf, "helper") == returning(7)
    assert _symbol(elf, "helper").type == SymbolType.FUNC


def test_two_strong_definitions_clash_and_both_files_are_named() -> None:
    one = TypedObjectWriter().function("f", returning(1))
    two = TypedObjectWriter().function("f", returning(2))
    with pytest.raises(
        SpecError, match="symbol 'f' is defined twice, in '<bytes>' and in '<bytes>': make one of them __weak"
    ):
        linked(one, two)


def test_a_strong_definition_wins_over_a_weak_one_before_and_after_it() -> None:
    def weak() -> TypedObjectWriter:
        return TypedObjectWriter().function("f", returning(1), binding=WEAK)

    def strong() -> TypedObjectWriter:
        return TypedObjectWriter().function("f", returning(2))

    for files in ((weak(), strong()), (strong(), weak())):
        elf = linked(*files)
        assert _code_of(elf, "f") == returning(2)
        assert _symbol(elf, "f").binding == GLOBAL


def test_of_two_weak_definitions_the_first_wins_and_stays_weak() -> None:
    one = TypedObjectWriter().function("f", returning(1), binding=WEAK)
    two = TypedObjectWriter().function("f", returning(2), binding=WEAK)
    elf = linked(one, two)
    assert (_code_of(elf, "f"), _symbol(elf, "f").binding) == (returning(1), WEAK)


def test_an_undefined_symbol_is_weak_only_if_all_say_so() -> None:
    def declaring(*, weak: bool) -> TypedObjectWriter:
        file = TypedObjectWriter().function("entry" if weak else "other", CALL, section="xdp")
        declare_function(file, "kernel_function", weak=weak)
        return file

    assert _symbol(linked(declaring(weak=True)), "kernel_function").binding == WEAK
    elf = linked(declaring(weak=True), declaring(weak=False))
    found = _symbol(elf, "kernel_function")
    assert (found.binding, found.section) == (GLOBAL, SHN_UNDEF)


def test_the_strictest_visibility_is_the_result() -> None:
    one = TypedObjectWriter().function("f", returning(1), binding=WEAK, visibility=SymbolVisibility.HIDDEN)
    two = TypedObjectWriter().function("f", returning(2))
    assert _symbol(linked(one, two), "f").visibility == SymbolVisibility.HIDDEN


def test_static_functions_of_one_name_are_both_kept() -> None:
    one = TypedObjectWriter().function("f", returning(1), binding=LOCAL)
    two = TypedObjectWriter().function("f", returning(2), binding=LOCAL)
    elf = linked(one, two)
    assert [symbol.value for symbol in elf.symbols if symbol.name == "f"] == [0, 16]


def test_a_function_and_a_variable_of_one_name_clash() -> None:
    one = TypedObjectWriter().function("x", returning(1), binding=WEAK)
    two = TypedObjectWriter().variable("x", bytes(4))
    with pytest.raises(SpecError, match="symbol 'x' is a function and a variable"):
        linked(one, two)


def test_an_extern_of_another_signature_clashes() -> None:
    user = TypedObjectWriter().function("entry", CALL, section="xdp")
    declare_function(user, "helper", user.integer(4), user.integer(4))
    definer = TypedObjectWriter().function("helper", returning(7))
    with pytest.raises(SpecError, match="symbol 'helper' is declared in two ways"):
        linked(user, definer)


def test_an_extern_of_another_size_clashes() -> None:
    user = TypedObjectWriter().function("entry", ADDRESS, section="xdp")
    declare_variable(user, "counter", user.integer(8))
    definer = TypedObjectWriter()
    definer.variable("counter", bytes(4), type=definer.integer(4))
    with pytest.raises(SpecError, match="symbol 'counter' is declared in two ways"):
        linked(user, definer)


def test_maps_of_one_name_must_have_the_same_properties() -> None:
    def with_map(entries: int) -> TypedObjectWriter:
        file = TypedObjectWriter()
        file.map("counts", type=1, max_entries=entries, key=file.integer(4), value=file.integer(8))
        return file

    with pytest.raises(SpecError, match="symbol 'counts' is defined twice"):
        linked(with_map(16), with_map(16))
    user = TypedObjectWriter().function("entry", ADDRESS, section="xdp")
    struct = _definition(user, entries=32)
    variable = declare_variable(user, "counts", struct)
    user.types.add(DataSection(".maps", 0, (SectionVariable(variable, 0, 32),)))
    with pytest.raises(SpecError, match="map 'counts' is declared in two ways"):
        linked(user, with_map(16))


def _definition(file: TypedObjectWriter, *, entries: int) -> TypeId:
    numbers = {"type": 1, "max_entries": entries}
    members = [(name, file.types.add(Pointer(file.types.add(Array(file.integer(4), file.integer(4), number)))))
               for name, number in numbers.items()]  # fmt: skip
    members += [("key", file.types.add(Pointer(file.integer(4)))), ("value", file.types.add(Pointer(file.integer(8))))]
    fields = tuple(Member(name, each, BitOffset(64 * index)) for index, (name, each) in enumerate(members))
    return file.types.add(Struct("", 32, fields))


def test_a_global_symbol_without_type_is_refused_when_it_is_undefined() -> None:
    file = TypedObjectWriter().function("entry", CALL, section="xdp").extern("mystery").call("entry", 0, "mystery")
    with pytest.raises(SpecError, match="symbol 'mystery' has no type information"):
        linked(file)
