import pytest

from purebpf.btf.codec import Misfit
from purebpf.btf.codec.misfit import OutOfRange, WrongShape, wrong_shape
from tests.unit.btf.codec_types import Types


def test_the_path_is_built_from_the_inside_out() -> None:
    misfit = OutOfRange("70000 does not fit u16").within("port").within(3).within("addrs").within("key")
    assert str(misfit) == "key.addrs[3].port: 70000 does not fit u16"
    assert str(OutOfRange("too long").within(0)) == "[0]: too long"
    assert str(OutOfRange("too long")) == "too long"


def test_a_misfit_is_the_builtin_that_a_caller_expects() -> None:
    assert issubclass(WrongShape, TypeError)
    assert issubclass(OutOfRange, ValueError)
    assert not issubclass(WrongShape, ValueError)


def test_a_long_value_is_cut_in_the_message() -> None:
    assert len(str(wrong_shape("u32", "int", "x" * 10_000))) < 100


def test_a_misfit_deep_inside_names_every_step() -> None:
    types = Types()
    port = types.typedef("u16", types.u16)
    addr = types.struct("addr", 8, ("ip", types.u32, 0), ("port", port, 4))
    key = types.struct("key", 24, ("kind", types.u32, 0), ("addrs", types.array(addr, 2), 4))
    with pytest.raises(ValueError, match=r"^addrs\[1\]\.port: 70000 does not fit u16$"):
        types.codec(key).encode({"kind": 1, "addrs": [(1, 2), (3, 70000)]})
    with pytest.raises(Misfit) as caught:
        types.codec(key).encode({"kind": 1, "addrs": [(1, 2), (3, "80")]})
    assert str(caught.value.within("key")) == "key.addrs[1].port: expected u16 (int), got str '80'"
    assert isinstance(caught.value, TypeError)
