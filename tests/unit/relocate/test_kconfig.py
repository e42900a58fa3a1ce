"""What a configuration says, as the bytes that C sees."""

import pytest

from purebpf.relocate.kconfig import encode, encode_number
from purebpf.spec.model import ExternKind, ExternSpec, KconfigForm
from purebpf.units import VOID

BOOL, TRISTATE, CHAR, INT, TEXT = KconfigForm


def extern(form: KconfigForm, size: int = 1, *, signed: bool = False) -> ExternSpec:
    return ExternSpec(
        "CONFIG_X", ExternKind.KCONFIG, VOID, False, size, size, section=".kconfig", form=form, signed=signed
    )


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        (extern(BOOL), "y", b"\1"),
        (extern(BOOL), "n", b"\0"),
        (extern(TRISTATE, 4), "y", b"\1\0\0\0"),
        (extern(TRISTATE, 4), "m", b"\2\0\0\0"),
        (extern(TRISTATE, 4), "n", b"\0\0\0\0"),
        (extern(TRISTATE, 8), "m", b"\2\0\0\0\0\0\0\0"),
        (extern(CHAR), "m", b"m"),
        (extern(CHAR), "n", b"n"),
        (extern(CHAR), "65", b"A"),
        (extern(CHAR, signed=True), "-128", b"\x80"),
        (extern(INT, 2), "65535", b"\xff\xff"),
        (extern(INT, 2, signed=True), "-32768", b"\x00\x80"),
        (extern(INT, 4), "0xDEADBEEF", b"\xef\xbe\xad\xde"),
        (extern(INT, 4), "0755", b"\xed\x01\0\0"),
        (extern(INT, 4), "0", b"\0\0\0\0"),
        (extern(INT, 4, signed=True), "+7", b"\7\0\0\0"),
        (extern(INT, 4), " \t\v5", b"\5\0\0\0"),
        (extern(INT, 4), "0" * 70 + "5", b"\5\0\0\0"),
        (extern(BOOL), "y ", b"\1"),
        (extern(INT, 8), "0xffffffffffffffff", b"\xff" * 8),
        (extern(INT, 8, signed=True), "-1", b"\xff" * 8),
        (extern(INT, 8), "-1", b"\xff" * 8),
        (extern(TEXT, 6), '"abc"', b"abc\0\0\0"),
        (extern(TEXT, 6), '""', bytes(6)),
        (extern(TEXT, 6), '"a\\"b"', b'a\\"b\0\0'),
    ],
)
def test_what_fits_is_taken(declared: ExternSpec, value: str, expected: bytes) -> None:
    assert encode(declared, value, "little") == expected


@pytest.mark.parametrize(
    ("declared", "value", "reason"),
    [
        (extern(BOOL), "m", "the value 'm' does not fit its declaration as a bool, which is y or n"),
        (extern(BOOL), "1", "the value '1' does not fit its declaration as a bool"),
        (extern(TRISTATE, 4), "1", "as an enum libbpf_tristate, which is y, m or n"),
        (extern(TRISTATE, 4), "M", "the value 'M' is neither y, m or n nor a number nor a text in quotes"),
        (extern(CHAR), "q", "the value 'q' is neither"),
        (extern(INT, 4), "5 ", "the value '5 ' is neither"),
        (extern(INT, 4), "+ 5", "the value '+ 5' is neither"),
        (extern(INT, 4), "\xa05", "is neither"),
        (extern(BOOL), "maybe", "the value 'maybe' does not fit its declaration as a bool"),
        (extern(CHAR), "", "the value '' is neither"),
        (extern(CHAR), '"y"', "as a char, which is y, m, n or a number"),
        (extern(CHAR, signed=True), "128", "the value 128 does not fit its 1 byte (-128 to 127)"),
        (extern(INT, 2), "65536", "the value 65536 does not fit its 2 bytes (0 to 65535)"),
        (extern(INT, 4), "-1", "the value -1 does not fit its 4 bytes (0 to 4294967295)"),
        (extern(INT, 4, signed=True), "-2147483649", "its 4 bytes (-2147483648 to 2147483647)"),
        (extern(INT, 8), "0xffffffffffffffff1", "is neither"),
        (extern(INT, 4), "y", "the value 'y' does not fit its declaration as an integer"),
        (extern(INT, 4), "12abc", "is neither"),
        (extern(INT, 4), "08", "is neither"),
        (extern(INT, 4), "1" * 5000, "is neither"),
        (extern(TEXT, 6), "y", "as an array of char, which is a text in quotes"),
        (extern(TEXT, 6), "12", "as an array of char"),
        (extern(TEXT, 6), '"abc', 'the text "abc has no closing quote'),
        (extern(TEXT, 6), '"', 'the text " has no closing quote'),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(declared: ExternSpec, value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"(?s).*") as caught:
        encode(declared, value, "little")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "value", "letter", "expected"),
    [
        (extern(BOOL), "yes", "y", b"\1"),
        (extern(BOOL), "none", "n", b"\0"),
        (extern(TRISTATE, 4), "module", "m", b"\2\0\0\0"),
        (extern(CHAR), "yes", "y", b"y"),
        (extern(BOOL), "n # off", "n", b"\0"),
    ],
)
def test_a_word_counts_by_its_first_letter_with_a_warning(
    declared: ExternSpec, value: str, letter: str, expected: bytes
) -> None:
    with pytest.warns(RuntimeWarning, match=f"'{value}' of 'CONFIG_X' counts by its first letter, {letter}"):
        assert encode(declared, value, "little") == expected


def test_a_text_that_is_too_long_is_cut_with_a_warning() -> None:
    with pytest.warns(RuntimeWarning, match="'CONFIG_X' has 9 bytes and is cut to the 3 of its array"):
        assert encode(extern(TEXT, 4), '"localhost"', "little") == b"loc\0"


def test_numbers_have_the_byte_order_of_the_object() -> None:
    assert encode(extern(INT, 4), "250", "big") == b"\0\0\0\xfa"
    assert encode(extern(TRISTATE, 4), "m", "big") == b"\0\0\0\2"


def test_what_the_loader_knows_itself_may_be_a_bool() -> None:
    assert encode_number(extern(BOOL), 1, "little") == b"\1"
    with pytest.raises(ValueError, match="the value 2 is neither 0 nor 1"):
        encode_number(extern(BOOL), 2, "little")
    with pytest.raises(ValueError, match="as an enum libbpf_tristate"):
        encode_number(extern(TRISTATE, 4), 1, "little")
