"""Texts of a kernel's configuration, and what the user says instead."""

import pytest

from purebpf.errors import UnknownFact
from purebpf.plan.kconfig import ConfigText, OverlaidConfig, is_whole, parse_overlay
from purebpf.relocate.kernel_facts import Kconfig

TEXT = b'# CONFIG_NOT is not set\nCONFIG_A=y\nCONFIG_HZ=250\r\nXCONFIG_B=1\nCONFIG_S="a=b"\nCONFIG_A=n\nCONFIG_LAST=7'


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONFIG_A", "y"), ("CONFIG_HZ", "250"), ("CONFIG_S", '"a=b"'), ("CONFIG_LAST", "7"), ("CONFIG_NOT", None),
        ("CONFIG_B", None), ("CONFIG_H", None), ("ONFIG_A", None),
    ],
)  # fmt: skip
def test_the_first_line_of_a_name_is_its_value(name: str, value: str | None) -> None:
    assert ConfigText(TEXT, "here").value(name) == value


def test_a_value_may_stand_in_the_first_line() -> None:
    assert ConfigText(b"CONFIG_A=m", "here").value("CONFIG_A") == "m"
    assert ConfigText(b"", "here").value("CONFIG_A") is None


def test_bytes_that_are_no_text_come_through() -> None:
    assert ConfigText(b'CONFIG_S="\xff"', "here").value("CONFIG_S") == '"\udcff"'


def test_names_that_are_set_are_suggested() -> None:
    assert ConfigText(TEXT, "here").did_you_mean("CONFIG_LOST")[0].startswith("did you mean 'CONFIG_LAST'")


def test_text_of_a_config_is_an_overlay_and_its_first_value_counts() -> None:
    assert parse_overlay("# comment\n\nCONFIG_A=y\nCONFIG_A=n\n CONFIG_B=1\nCONFIG_S=\"x\"\r\n") == {
        "CONFIG_A": "y", "CONFIG_S": '"x"',
    }  # fmt: skip


def test_a_mapping_is_an_overlay() -> None:
    given = {"CONFIG_A": True, "CONFIG_B": False, "CONFIG_HZ": 100, "CONFIG_M": "m", "CONFIG_S": '"text"'}
    assert parse_overlay(given) == {
        "CONFIG_A": "y", "CONFIG_B": "n", "CONFIG_HZ": "100", "CONFIG_M": "m", "CONFIG_S": '"text"',
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("CONFIG_A", "line 1: 'CONFIG_A' has no '='"),
        ("\nCONFIG_A=", "line 2: 'CONFIG_A=' gives no value"),
        ("/boot/config-6.1", "'/boot/config-6.1' sets nothing; it takes the text of a .config, not the name of a file"),
        ({"HZ": 1}, "'HZ' is no name of a configuration value"),
        ({"LINUX_KERNEL_VERSION": 1}, "is no name of a configuration value"),
        ({3: 1}, "3 is no name"),
        ({"CONFIG_A": None}, "CONFIG_A is None; it takes True, False, a number"),
        ({"CONFIG_A": 1.5}, "CONFIG_A is 1.5"),
        ({"CONFIG_A": ""}, "CONFIG_A is ''"),
        ({"CONFIG_A": "y\nCONFIG_B=y"}, "CONFIG_A is 'y"),
        ({"CONFIG_A": '"open'}, "a text with its quotes"),
    ],
)
def test_what_is_no_configuration_is_the_callers_mistake(given, reason: str) -> None:
    with pytest.raises(ValueError, match=r"^option kconfig") as caught:
        parse_overlay(given)
    assert reason in str(caught.value)


def test_the_kernels_configuration_is_read_only_for_what_the_user_does_not_say() -> None:
    asked = []

    def behind() -> ConfigText:
        asked.append("read")
        return ConfigText(TEXT, "here")

    config = OverlaidConfig({"CONFIG_A": "m"}, behind)
    assert config.value("CONFIG_A") == "m"
    assert asked == []
    assert config.value("CONFIG_HZ") == "250"
    assert asked == ["read"]
    assert config.source == "the option kconfig and here"
    assert config.did_you_mean("CONFIG_LOST")[0].startswith("did you mean 'CONFIG_LAST'")


def test_bytes_are_neither_text_nor_mapping() -> None:
    with pytest.raises(TypeError, match=r"option kconfig: .* not bytes"):
        parse_overlay(b"CONFIG_A=y")  # type: ignore[arg-type]


def unknown() -> Kconfig:
    raise UnknownFact("the description of the target does not tell the kernel's configuration")


def test_a_value_that_neither_the_user_nor_the_target_tells_is_named() -> None:
    config = OverlaidConfig({"CONFIG_A": "y"}, unknown)
    assert config.value("CONFIG_A") == "y"
    with pytest.raises(UnknownFact, match="the option kconfig does not give CONFIG_B") as caught:
        config.value("CONFIG_B")
    assert "'CONFIG_B=...'" in caught.value.remedy
    assert config.source == "the option kconfig"
    assert config.did_you_mean("CONFIG_AA") == ["did you mean 'CONFIG_A'?"]


def test_of_a_whole_config_what_it_does_not_name_is_not_set() -> None:
    text = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.12.1 Kernel Configuration\n#\nCONFIG_A=y\n"
    assert is_whole(text)
    assert not is_whole("CONFIG_A=y")
    assert not is_whole({"CONFIG_A": "y"})
    assert OverlaidConfig(parse_overlay(text), unknown, is_whole(text)).value("CONFIG_B") is None
    known = ConfigText(b"CONFIG_B=y", "here")
    assert OverlaidConfig(parse_overlay(text), lambda: known, True).value("CONFIG_B") == "y"
