"""Where the running kernel's configuration is read."""

import gzip

import pytest

from purebpf.errors import NotSupported
from purebpf.host.kconfig import read_kconfig


def test_the_first_file_that_is_there_is_read(tmp_path) -> None:
    file = tmp_path / "config"
    file.write_bytes(b"CONFIG_HZ=100\n")
    config = read_kconfig((str(tmp_path / "nothing"), str(file)))
    assert (config.value("CONFIG_HZ"), config.source) == ("100", str(file))


def test_a_compressed_file_is_unpacked(tmp_path) -> None:
    file = tmp_path / "config.gz"
    file.write_bytes(gzip.compress(b"CONFIG_HZ=100\n"))
    assert read_kconfig((str(file),)).value("CONFIG_HZ") == "100"


def test_a_damaged_file_is_passed_over(tmp_path) -> None:
    damaged, whole = tmp_path / "damaged.gz", tmp_path / "whole"
    damaged.write_bytes(gzip.compress(b"CONFIG_HZ=100\n" * 100)[:-20])
    whole.write_bytes(b"CONFIG_HZ=300")
    assert read_kconfig((str(damaged), str(whole))).value("CONFIG_HZ") == "300"


def test_a_bomb_is_read_to_a_limit(tmp_path) -> None:
    bomb = tmp_path / "bomb.gz"
    bomb.write_bytes(gzip.compress(bytes(40 << 20), 1))
    assert len(read_kconfig((str(bomb),)).text) == 32 << 20


def test_without_a_file_the_error_says_what_to_do(tmp_path) -> None:
    with pytest.raises(NotSupported) as caught:
        read_kconfig((str(tmp_path / "config"), str(tmp_path)))
    message = str(caught.value)
    assert "CONFIG_IKCONFIG_PROC, or with its .config in /boot" in message
    assert f"{tmp_path / 'config'}: No such file or directory" in message
    assert "option kconfig" in message
