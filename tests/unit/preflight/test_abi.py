"""What a kernel's BTF tells of its bpf(2)."""

from purebpf.btf import Btf, BtfWriter
from purebpf.plan.target import Feature, encode_version
from purebpf.preflight.abi import Abi
from purebpf.uapi import AttachType, MapType, ProgramType
from tests.unit.preflight.kernels import types

NOTHING = Abi(Btf.parse(BtfWriter().build()))


def test_numbers_of_the_enums_are_known_and_their_ends_are_not_counted() -> None:
    abi = Abi(types(programs=range(32), maps=range(32), attachments=range(44), helpers=range(211)))
    assert abi.knows_program(ProgramType.SYSCALL) is True
    assert abi.knows_program(ProgramType.NETFILTER) is False
    assert abi.knows_map(MapType.USER_RINGBUF) is True
    assert abi.knows_map(32) is False
    assert abi.knows_attachment(AttachType.LSM_CGROUP) is True
    assert abi.knows_attachment(AttachType.STRUCT_OPS) is False
    assert (abi.knows_helper(210), abi.knows_helper(211)) == (True, False)


def test_without_the_enums_nobody_knows() -> None:
    assert NOTHING.knows_program(ProgramType.XDP) is None
    assert NOTHING.knows_map(MapType.HASH) is None
    assert NOTHING.knows_helper(1) is None
    assert NOTHING.without_program(ProgramType.LSM) == ""
    assert NOTHING.ages == (0, 0)
    assert NOTHING.features() == {}


def test_a_type_without_its_function_was_left_out_of_the_build() -> None:
    abi = Abi(types())
    assert abi.without_program(ProgramType.XDP) == ""
    assert abi.without_program(ProgramType.LSM) == "CONFIG_BPF_LSM"
    assert abi.without_program(ProgramType.EXT) == ""
    assert abi.without_map(MapType.XSKMAP) == "CONFIG_XDP_SOCKETS"
    assert abi.without_map(MapType.HASH) == ""
    assert abi.without_map(4711) == ""


def test_the_absence_of_a_function_says_nothing_of_a_btf_without_the_loader() -> None:
    assert Abi(types(functions=())).without_program(ProgramType.LSM) == ""


def test_the_newest_number_tells_the_age() -> None:
    abi = Abi(types(maps=range(32), attachments=range(44), helpers=range(211)))
    assert abi.ages == (encode_version("6.1"), encode_version("6.2"))
    features = abi.features()
    assert features[Feature.BTF_ENUM64] is True
    assert features[Feature.UPROBE_MULTI_LINK] is False


def test_a_kernel_newer_than_all_that_is_known_has_no_upper_bound() -> None:
    at_least, before = Abi(types()).ages
    assert at_least == encode_version("6.19")
    assert before == 0
