"""What people see of decoded values; nothing that another process chose reaches the terminal raw."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import purebpf
from purebpf.btf.codec import codec_for
from purebpf.cli.values import compact, counted, kconfig_text, printable
from purebpf.enums import IntEnum
from tests.conftest import BUILT


class Color(IntEnum):
    RED = 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bash", "bash"),
        ("größe", "größe"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\udcff", "\\udcff"),
        ("", ""),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_whatever_the_text_the_result_is_printable(text: str) -> None:
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (5, "5"),
        ("word", "word"),
        ("two words", "'two words'"),
        ("", "''"),
        (b"\x01\xff", "01ff"),
        (Color.RED, "RED"),
        ([1, "a b"], "[1, 'a b']"),
        (True, "True"),
        ("\x1b[0m", "\\x1b[0m"),
    ],
)
def test_a_value_on_one_line(value: object, shown: str) -> None:
    assert compact(value) == shown


def test_a_record_is_its_members_by_name_and_records_inside_stand_in_braces() -> None:
    spec = purebpf.open(BUILT / "globals.bpf.o")
    assert spec.btf is not None
    inner = codec_for(spec.btf, spec.variables["rodata_struct"].type)
    assert compact(inner.decode(inner.encode({"a": 9, "b": 8, "tag": "ro"}))) == "a=9 b=8 tag=ro"
    outer = codec_for(spec.btf, spec.variables["data_struct"].type)
    shown = compact(outer.decode(bytes(outer.size)))
    assert shown.startswith("id=0 nested={a=0 b=0 tag=''} many=[{a=0 b=0 tag=''}, {a=0 b=0 tag=''}]")


def test_a_number_with_its_noun() -> None:
    assert [counted(number, "event") for number in (0, 1, 2)] == ["0 events", "1 event", "2 events"]


def test_options_of_the_configuration_are_its_text(tmp_path) -> None:
    file = tmp_path / "config"
    file.write_bytes(b'CONFIG_A=y\nCONFIG_S="\xff"\n')
    assert kconfig_text([]) is None
    text = kconfig_text(["CONFIG_HZ=7", str(file)])
    assert text == 'CONFIG_HZ=7\nCONFIG_A=y\nCONFIG_S="\udcff"\n'
