"""Texts of configurations, whatever stands in them: a value of the right size or an error, as a plain reading says."""

import warnings

from hypothesis import given
from hypothesis import strategies as st

from purebpf.plan.kconfig import ConfigText, OverlaidConfig, parse_overlay
from purebpf.relocate.kconfig import encode
from purebpf.spec.model import ExternKind, ExternSpec, KconfigForm
from purebpf.units import VOID
from tests.property.bounded import bounded

NAMES = st.sampled_from(["CONFIG_A", "CONFIG_AB", "CONFIG_B", "CONFIG_", "ACONFIG_A", "# CONFIG_A", "CONFIG_A "])
VALUES = st.one_of(
    st.sampled_from(["y", "n", "m", "", '"', '""', '"text"', '"a=b"', "0", "-1", "0x7f", "017", "08", "yes"]),
    st.integers(-(1 << 66), 1 << 66).map(str),
    st.integers(0, 1 << 66).map(hex),
    st.text(max_size=20),
)
LINES = st.one_of(st.builds("{}={}".format, NAMES, VALUES), NAMES, st.text(max_size=30))
TEXTS = st.lists(LINES, max_size=12).map("\n".join)


@st.composite
def externs(draw: st.DrawFn) -> ExternSpec:
    """A kconfig value of any form and size that a file may declare."""
    form = draw(st.sampled_from(list(KconfigForm)))
    sizes = {
        KconfigForm.BOOL: st.just(1),
        KconfigForm.TRISTATE: st.sampled_from([4, 8]),
        KconfigForm.CHAR: st.just(1),
        KconfigForm.INT: st.sampled_from([2, 4, 8]),
        KconfigForm.TEXT: st.integers(1, 30),
    }
    signed = draw(st.booleans()) and form in (KconfigForm.CHAR, KconfigForm.INT)
    size = draw(sizes[form])
    return ExternSpec("CONFIG_A", ExternKind.KCONFIG, VOID, False, size, 1, form=form, signed=signed)


def first_value(text: str, name: str) -> str | None:
    """What the first line `name=...` says, by splitting the text."""
    for line in text.split("\n"):
        if line.startswith(f"{name}="):
            return line.removeprefix(f"{name}=").rstrip("\r")
    return None


@given(TEXTS, NAMES)
def test_a_text_is_read_as_its_lines_say(text: str, name: str) -> None:
    raw = text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    assert ConfigText(raw.encode("utf-8", "surrogateescape"), "here").value(name) == first_value(raw, name)


@given(TEXTS)
def test_an_overlay_has_the_first_value_of_each_name_or_is_refused(text: str) -> None:
    lines = [line.rstrip("\r") for line in text.split("\n") if line.startswith("CONFIG_")]
    try:
        overlay = parse_overlay(text)
    except ValueError as error:
        if "CONFIG_" not in text:
            assert len(text.split()) == 1 and "sets nothing" in str(error)  # noqa: PT017, PT018
            return
        assert "option kconfig, line " in str(error)  # noqa: PT017
        assert any(not line.partition("=")[2] for line in lines)
        return
    assert overlay == {line.partition("=")[0]: first_value(text, line.partition("=")[0]) for line in lines}


@given(st.dictionaries(st.one_of(NAMES, st.integers()), st.one_of(VALUES, st.integers(), st.booleans(), st.none())))
def test_a_mapping_becomes_lines_that_read_the_same_or_is_refused(given_values: dict) -> None:
    try:
        overlay = parse_overlay(given_values)
    except ValueError as error:
        assert str(error).startswith("option kconfig: ")  # noqa: PT017
        return
    text = "".join(f"{name}={value}\n" for name, value in overlay.items())
    again = ConfigText(text.encode("utf-8", "surrogateescape"), "")
    assert {name: again.value(name) for name in overlay} == {n: v.rstrip("\r") for n, v in overlay.items()}


@given(externs(), VALUES, st.sampled_from(["little", "big"]))
def test_a_value_fills_its_extern_or_is_refused(extern: ExternSpec, value: str, byteorder) -> None:
    with warnings.catch_warnings(), bounded(2):
        warnings.simplefilter("ignore")
        try:
            encoded = encode(extern, value, byteorder)
        except ValueError as error:
            assert value in str(error) or "does not fit" in str(error)  # noqa: PT017
            return
    assert len(encoded) == extern.size
    if extern.form is KconfigForm.TEXT:
        assert encoded.endswith(b"\0")
        assert value[1:-1].encode("utf-8", "surrogateescape").startswith(encoded.rstrip(b"\0"))


@given(externs().filter(lambda e: e.form is KconfigForm.INT), st.integers(-(1 << 64) + 1, (1 << 64) - 1))
def test_a_number_is_taken_exactly_if_it_lies_in_the_range_of_its_type(extern: ExternSpec, number: int) -> None:
    bits = 8 * extern.size
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if extern.signed else (0, (1 << bits) - 1)
    # As for C's strtoull, a number and the same one 2**64 higher are one; 8 bytes hold any.
    fits = extern.size == 8 or any(
        lowest <= same <= highest for same in (number, number + (1 << 64), number - (1 << 64))
    )
    try:
        encoded = encode(extern, str(number), "little")
    except ValueError:
        assert not fits
        return
    assert fits
    assert (int.from_bytes(encoded, "little") - number) % (1 << bits) == 0


@given(TEXTS, TEXTS, NAMES)
def test_what_the_user_says_wins_and_the_rest_is_the_kernels(mine: str, kernels: str, name: str) -> None:
    behind = ConfigText(kernels.encode("utf-8", "surrogatepass"), "kernel")
    overlay = {}
    for line in mine.split("\n"):
        key, _, value = line.partition("=")
        if line.startswith("CONFIG_") and value:
            overlay.setdefault(key, value)
    config = OverlaidConfig(overlay, lambda: behind)
    assert config.value(name) == overlay.get(name, behind.value(name))
