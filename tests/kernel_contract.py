"""What a `Kernel` promises, as tests: the same class is run on the fake one and on the running one.

A subclass gives the fixtures `kernel` and `folder` (where maps may be pinned).
"""

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from purebpf.btf import Array, BtfWriter, Function, FunctionProto, Int, Linkage
from purebpf.errors import KernelError, NotPermitted, VerifierError
from purebpf.insn import Assembler
from purebpf.insn.asm import R0, R1
from purebpf.live.kernel import MapFacts
from purebpf.live.seam import Handle, Kernel
from purebpf.plan.steps import CreateMap, LoadBtf, LoadProgram
from purebpf.uapi import MapType, ProgramType
from purebpf.units import TypeId

RETURN_0 = Assembler().mov(R0, 0).exit().assemble()
NOWHERE = 1 << 20
"""The number of no fd."""

INT, LONG, FUNCTION, SIGNED = TypeId(1), TypeId(2), TypeId(5), TypeId(6)


def types() -> bytes:
    """1: u32, 2: u64, 3: u32[4], 4: u32 (void), 5: function 'entry', 6: int."""
    writer = BtfWriter()
    number = writer.add(Int("u32", 4, 32))
    writer.add(Int("u64", 8, 64))
    writer.add(Array(number, number, 4))
    proto = writer.add(FunctionProto(number, ()))
    writer.add(Function("entry", proto, Linkage.GLOBAL))
    writer.add(Int("int", 4, 32, signed=True))
    return writer.build()


def array(**changes: object) -> CreateMap:
    """An array of four u64, or another map by its differences."""
    return replace(CreateMap("contract", "contract", MapType.ARRAY, 4, 8, 4), **changes)  # type: ignore[arg-type]


def program(code: bytes = RETURN_0, **changes: object) -> LoadProgram:
    """A socket filter of this code."""
    made = LoadProgram("entry", "entry", "socket", ProgramType.SOCKET_FILTER, None, 0, code, (), (), "GPL", 0)
    return replace(made, **changes)  # type: ignore[arg-type]


def map_code(number: int, *, offset: int | None = None) -> bytes:
    """r1 = the map of fd `number`, or an address in its value."""
    source = 1 if offset is None else 2
    first = bytes((0x18, 1 | source << 4, 0, 0)) + number.to_bytes(4, "little")
    return first + bytes(4) + (offset or 0).to_bytes(4, "little") + RETURN_0


def word(number: int) -> bytes:
    """Four bytes."""
    return number.to_bytes(4, "little")


def no_line(_: int) -> None:
    """For programs without a source."""


class KernelContract:
    """Subclassed once a kernel."""

    @pytest.fixture
    def keep(self) -> Iterator[Callable[[Handle], Handle]]:
        """Closes at the end of the test what it is given."""
        with ExitStack() as stack:

            def keeping(handle: Handle) -> Handle:
                stack.callback(handle.close)
                return handle

            yield keeping

    def test_a_handle_has_a_number_until_it_is_closed_and_may_be_closed_twice(self, kernel: Kernel) -> None:
        handle = kernel.create_map(array(), btf=None, inner=None)
        assert handle.number > 0
        handle.close()
        handle.close()
        with pytest.raises(ValueError, match="closed"):
            _ = handle.number

    @pytest.mark.parametrize(
        "step",
        [
            array(),
            array(type=MapType.HASH, key_size=3, value_size=5),
            array(type=MapType.PERCPU_ARRAY),
            array(type=MapType.LRU_HASH),
            array(type=MapType.PROG_ARRAY, value_size=4),
            array(type=MapType.PERF_EVENT_ARRAY, value_size=4),
            array(type=MapType.RINGBUF, key_size=0, value_size=0, max_entries=4096),
            array(type=MapType.QUEUE, key_size=0),
            array(type=MapType.BLOOM_FILTER, key_size=0),
            array(type=MapType.LPM_TRIE, key_size=8, flags=1),
            array(flags=1 << 10),
            array(kernel_name=""),
            array(kernel_name="fifteen.letters"),
        ],
        ids=str,
    )
    def test_a_sound_map_is_made_and_says_what_it_is(
        self, kernel: Kernel, keep: Callable[[Handle], Handle], step: CreateMap
    ) -> None:
        made = keep(kernel.create_map(step, btf=None, inner=None))
        facts = kernel.map_facts(made)
        assert facts == MapFacts(
            int(step.type), step.key_size, step.value_size, step.max_entries, step.flags, step.map_extra
        )

    @pytest.mark.parametrize(
        "step",
        [
            array(key_size=8),
            array(value_size=0),
            array(max_entries=0),
            array(type=MapType.HASH, key_size=0),
            array(type=MapType.HASH, max_entries=0),
            array(type=MapType.HASH, flags=1 << 10),
            array(type=MapType.PROG_ARRAY),
            array(type=MapType.RINGBUF, key_size=0, value_size=0, max_entries=5000),
            array(type=MapType.RINGBUF, key_size=0, value_size=0, max_entries=0),
            array(type=MapType.RINGBUF, max_entries=4096),
            array(type=MapType.QUEUE),
            array(type=MapType.BLOOM_FILTER, key_size=4),
            array(type=MapType.LPM_TRIE, key_size=8),
            array(type=MapType.LPM_TRIE, key_size=4, flags=1),
            array(type=MapType.TASK_STORAGE, flags=1),
            array(type=MapType.TASK_STORAGE, flags=1, max_entries=0),
            array(type=MapType.ARRAY_OF_MAPS, value_size=4),
            array(type=MapType.HASH_OF_MAPS, value_size=4),
            array(type=MapType.UNSPEC),
            array(type=1000),
            array(kernel_name="no-such-name"),
        ],
        ids=str,
    )
    def test_a_map_of_wrong_sizes_is_refused_by_einval_and_its_name(self, kernel: Kernel, step: CreateMap) -> None:
        with pytest.raises(KernelError, match="cannot create map 'contract'") as caught:
            kernel.create_map(step, btf=None, inner=None)
        assert caught.value.errno == errno.EINVAL

    def test_types_that_are_none_are_refused(self, kernel: Kernel) -> None:
        with pytest.raises(KernelError, match="cannot load BTF") as caught:
            kernel.load_btf(LoadBtf(b"\x9f\xeb\x01\0" + bytes(20)))
        assert caught.value.errno == errno.EINVAL

    def test_type_ids_of_the_right_size_are_taken(self, kernel: Kernel, keep: Callable[[Handle], Handle]) -> None:
        btf = keep(kernel.load_btf(LoadBtf(types())))
        keep(kernel.create_map(array(key_type=INT, value_type=LONG), btf=btf, inner=None))

    def test_storage_has_type_ids_and_no_entries(self, kernel: Kernel, keep: Callable[[Handle], Handle]) -> None:
        btf = keep(kernel.load_btf(LoadBtf(types())))
        sound = array(type=MapType.TASK_STORAGE, flags=1, max_entries=0, key_type=SIGNED, value_type=LONG)
        keep(kernel.create_map(sound, btf=btf, inner=None))
        for wrong in (replace(sound, max_entries=1), replace(sound, flags=0)):
            with pytest.raises(KernelError) as caught:
                kernel.create_map(wrong, btf=btf, inner=None)
            assert caught.value.errno == errno.EINVAL

    def test_type_ids_of_another_size_are_refused(self, kernel: Kernel, keep: Callable[[Handle], Handle]) -> None:
        btf = keep(kernel.load_btf(LoadBtf(types())))
        with pytest.raises(KernelError) as caught:
            kernel.create_map(array(key_type=INT, value_type=INT), btf=btf, inner=None)
        assert caught.value.errno == errno.EINVAL

    @pytest.mark.parametrize("kind", [MapType.PERF_EVENT_ARRAY, MapType.CGROUP_ARRAY, MapType.STACK_TRACE])
    def test_map_types_that_take_no_type_ids_refuse_them_otherwise(
        self, kernel: Kernel, keep: Callable[[Handle], Handle], kind: MapType
    ) -> None:
        step = array(type=kind, value_size=8 if kind == MapType.STACK_TRACE else 4)
        step = replace(step, key_type=INT, value_type=LONG if step.value_size == 8 else INT)
        btf = keep(kernel.load_btf(LoadBtf(types())))
        with pytest.raises(KernelError) as caught:
            kernel.create_map(step, btf=btf, inner=None)
        assert caught.value.errno == 524
        keep(kernel.create_map(step, btf=None, inner=None))

    def test_an_element_beyond_the_end_is_refused(self, kernel: Kernel, keep: Callable[[Handle], Handle]) -> None:
        made = keep(kernel.create_map(array(), btf=None, inner=None))
        kernel.update_map("contract", made, word(3), bytes(8))
        with pytest.raises(KernelError, match="cannot set a value of map 'contract'") as caught:
            kernel.update_map("contract", made, word(4), bytes(8))
        assert caught.value.errno == errno.E2BIG

    def test_a_hash_takes_as_many_keys_as_it_has_entries(
        self, kernel: Kernel, keep: Callable[[Handle], Handle]
    ) -> None:
        made = keep(kernel.create_map(array(type=MapType.HASH, max_entries=2), btf=None, inner=None))
        kernel.update_map("contract", made, word(7), bytes(8))
        kernel.update_map("contract", made, word(8), bytes(8))
        kernel.update_map("contract", made, word(7), bytes(8))
        with pytest.raises(KernelError) as caught:
            kernel.update_map("contract", made, word(9), bytes(8))
        assert caught.value.errno == errno.E2BIG

    def test_a_frozen_map_takes_no_value_and_is_frozen_once(
        self, kernel: Kernel, keep: Callable[[Handle], Handle]
    ) -> None:
        made = keep(kernel.create_map(array(), btf=None, inner=None))
        kernel.freeze_map("contract", made)
        with pytest.raises(NotPermitted) as refused:
            kernel.update_map("contract", made, word(0), bytes(8))
        assert refused.value.errno == errno.EPERM
        with pytest.raises(KernelError) as twice:
            kernel.freeze_map("contract", made)
        # EBUSY from older kernels; newer ones ask first whether the map may be written to.
        assert twice.value.errno in (errno.EPERM, errno.EBUSY)

    def test_a_map_of_maps_takes_maps_like_its_template(self, kernel: Kernel, keep: Callable[[Handle], Handle]) -> None:
        template = kernel.create_map(array(), btf=None, inner=None)
        outer = keep(kernel.create_map(array(type=MapType.ARRAY_OF_MAPS, value_size=4), btf=None, inner=template))
        template.close()
        alike = keep(kernel.create_map(array(), btf=None, inner=None))
        kernel.update_map("outer", outer, word(1), word(alike.number))
        for other in (array(value_size=16), array(type=MapType.HASH), array(max_entries=5)):
            different = keep(kernel.create_map(other, btf=None, inner=None))
            with pytest.raises(KernelError) as caught:
                kernel.update_map("outer", outer, word(1), word(different.number))
            assert caught.value.errno == errno.EINVAL
        with pytest.raises(KernelError) as nothing:
            kernel.update_map("outer", outer, word(1), word(NOWHERE))
        assert nothing.value.errno == errno.EBADF

    def test_a_prog_array_takes_programs_of_one_type(self, kernel: Kernel, keep: Callable[[Handle], Handle]) -> None:
        jumps = keep(kernel.create_map(array(type=MapType.PROG_ARRAY, value_size=4), btf=None, inner=None))
        entry = keep(kernel.load_program(program(), RETURN_0, btf=None, line_of=no_line))
        kernel.update_map("jumps", jumps, word(1), word(entry.number))
        other = program(type=ProgramType.XDP)
        different = keep(kernel.load_program(other, RETURN_0, btf=None, line_of=no_line))
        for number, expected in (
            (different.number, errno.EINVAL),
            (jumps.number, errno.EINVAL),
            (NOWHERE, errno.EBADF),
        ):
            with pytest.raises(KernelError) as caught:
                kernel.update_map("jumps", jumps, word(0), word(number))
            assert caught.value.errno == expected

    def test_a_program_runs_on_maps_by_fd(self, kernel: Kernel, keep: Callable[[Handle], Handle]) -> None:
        made = keep(kernel.create_map(array(max_entries=1), btf=None, inner=None))
        for offset in (None, 0, 7):
            code = map_code(made.number, offset=offset)
            keep(kernel.load_program(program(code), code, btf=None, line_of=no_line))

    def test_an_fd_of_no_map_in_the_code_is_the_verifiers_complaint(self, kernel: Kernel) -> None:
        code = map_code(NOWHERE)
        with pytest.raises(VerifierError, match="cannot load program 'entry'") as caught:
            kernel.load_program(program(code), code, btf=None, line_of=no_line)
        assert caught.value.errno == errno.EBADF
        assert f"fd {NOWHERE} is not pointing to valid bpf_map" in caught.value.complaint

    def test_an_address_beyond_a_maps_value_is_the_verifiers_complaint(
        self, kernel: Kernel, keep: Callable[[Handle], Handle]
    ) -> None:
        made = keep(kernel.create_map(array(max_entries=1), btf=None, inner=None))
        code = map_code(made.number, offset=8)
        with pytest.raises(VerifierError) as caught:
            kernel.load_program(program(code), code, btf=None, line_of=no_line)
        assert caught.value.errno == errno.EINVAL
        assert "invalid access to map value pointer, value_size=8 off=8" in caught.value.complaint

    def test_a_program_must_end(self, kernel: Kernel) -> None:
        code = Assembler().mov(R0, 0).mov(R1, 0).assemble()
        with pytest.raises(VerifierError) as caught:
            kernel.load_program(program(code), code, btf=None, line_of=no_line)
        assert caught.value.errno == errno.EINVAL
        assert "last insn is not an exit or jmp" in caught.value.log

    def test_a_program_without_instructions_is_too_short_for_a_verdict(self, kernel: Kernel) -> None:
        with pytest.raises(KernelError) as caught:
            kernel.load_program(program(b""), b"", btf=None, line_of=no_line)
        assert (caught.value.errno, type(caught.value)) == (errno.E2BIG, KernelError)

    def test_func_info_has_a_record_for_each_function(self, kernel: Kernel, keep: Callable[[Handle], Handle]) -> None:
        btf = keep(kernel.load_btf(LoadBtf(types())))
        one = word(0) + word(FUNCTION)
        keep(kernel.load_program(program(func_info=one), RETURN_0, btf=btf, line_of=no_line))
        call = b"\x85\x10\0\0" + word(1) + b"\x95" + bytes(7) + RETURN_0
        two = one + word(2) + word(FUNCTION)
        keep(kernel.load_program(program(call, func_info=two), call, btf=btf, line_of=no_line))
        for wrong in (one, two + word(3) + word(FUNCTION), one + word(3) + word(FUNCTION)):
            with pytest.raises(VerifierError) as caught:
                kernel.load_program(program(call, func_info=wrong), call, btf=btf, line_of=no_line)
            assert caught.value.errno == errno.EINVAL

    def test_a_module_that_is_not_there_has_no_types(self, kernel: Kernel) -> None:
        with pytest.raises(KernelError, match="'no_such_module'") as caught:
            kernel.open_module("no_such_module")
        assert caught.value.errno == errno.ENOENT

    def test_a_map_is_bound_to_a_program(self, kernel: Kernel, keep: Callable[[Handle], Handle]) -> None:
        made = keep(kernel.create_map(array(), btf=None, inner=None))
        entry = keep(kernel.load_program(program(), RETURN_0, btf=None, line_of=no_line))
        kernel.bind_map(entry, made)

    def test_a_pin_gives_the_map_back_until_it_is_removed(
        self, kernel: Kernel, folder: str, keep: Callable[[Handle], Handle]
    ) -> None:
        path = f"{folder}/contract"
        assert kernel.open_pinned(path) is None
        made = keep(kernel.create_map(array(), btf=None, inner=None))
        kernel.pin(path, made)
        made.close()
        found = kernel.open_pinned(path)
        assert found is not None
        assert kernel.map_facts(keep(found)).value_size == 8
        kernel.unpin(path)
        kernel.unpin(path)
        assert kernel.open_pinned(path) is None

    def test_a_pin_is_not_replaced(self, kernel: Kernel, folder: str, keep: Callable[[Handle], Handle]) -> None:
        made = keep(kernel.create_map(array(), btf=None, inner=None))
        kernel.pin(f"{folder}/contract", made)
        with pytest.raises(KernelError) as caught:
            kernel.pin(f"{folder}/contract", made)
        assert caught.value.errno == errno.EEXIST
        kernel.unpin(f"{folder}/contract")
