"""Types of kernels in files: which of several is taken, and that none is read twice."""

import os

import pytest

from purebpf.btf import BtfWriter, Int
from purebpf.errors import BtfError, PlanError
from purebpf.host import btf_files
from purebpf.host.btf_files import find_btf, installed_btf, read_btf


def types(name: str = "int") -> bytes:
    writer = BtfWriter()
    writer.add(Int(name, 4, 32))
    return writer.build()


def test_the_first_path_that_is_there_is_read(tmp_path) -> None:
    file = tmp_path / "a.btf"
    file.write_bytes(types())
    assert find_btf([tmp_path / "nothing", file], "6.1").name == str(file)
    assert find_btf(str(file), "6.1").name == str(file)


@pytest.mark.parametrize("name", ["6.1.0-9.btf", "vmlinux-6.1.0-9.btf", "vmlinux-6.1.0-9", "btf-6.1.0-9"])
def test_a_folder_has_files_named_after_the_release(tmp_path, name) -> None:
    (tmp_path / name).write_bytes(types())
    assert find_btf(tmp_path, "6.1.0-9").name == str(tmp_path / name)
    with pytest.raises(PlanError):
        find_btf(tmp_path, "6.2")


def test_nothing_anywhere_names_what_was_tried(tmp_path) -> None:
    with pytest.raises(PlanError) as caught:
        find_btf([tmp_path / "x.btf", tmp_path], "6.1")
    assert f"not there: {tmp_path / 'x.btf'}" in str(caught.value)
    assert f"not there: {tmp_path / '6.1.btf'}" in str(caught.value)
    with pytest.raises(PlanError, match="it names none"):
        find_btf([], "6.1")


def test_a_file_is_read_once_until_it_changes(tmp_path) -> None:
    file = tmp_path / "a.btf"
    file.write_bytes(types())
    first = read_btf(str(file))
    assert read_btf(str(file)) is first
    file.write_bytes(types("another_name"))
    os.utime(file, ns=(1, 1))
    assert read_btf(str(file)).find_one("another_name") == 1


@pytest.mark.parametrize("data", [b"", b"no types", b"\x7fELF", types()[:-3]])
def test_a_damaged_file_is_a_btf_error_that_names_it(tmp_path, data) -> None:
    file = tmp_path / "damaged"
    file.write_bytes(data)
    with pytest.raises(BtfError, match=str(file)):
        read_btf(str(file))


def test_an_installed_image_serves_a_kernel_that_gives_no_types(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(btf_files, "_INSTALLED", (f"{tmp_path}/none-{{}}", f"{tmp_path}/vmlinux-{{}}"))
    assert installed_btf("6.1") is None
    (tmp_path / "vmlinux-6.1").write_bytes(types())
    found = installed_btf("6.1")
    assert found is not None
    assert found.find_one("int") == 1
