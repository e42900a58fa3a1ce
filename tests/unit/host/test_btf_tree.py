"""Trees of BTF files, one a kernel."""

import io
import os
import tarfile
import threading
from pathlib import Path

import pytest

from purebpf.btf import Btf
from purebpf.elf import ElfWriter
from purebpf.errors import BtfError
from purebpf.host import btf_files
from purebpf.host.btf_tree import KernelFile, archive_folders, kernel_files, read_kernel_file, release_of
from tests.unit.preflight.kernels import kernel_btf


def _packed(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, data in {
        "ubuntu/20.04/x86_64/5.4.0-91-generic.btf": kernel_btf(),
        "ubuntu/20.04/x86_64/5.4.0-92-generic.btf.tar.xz": _packed("./5.4.0-92-generic.btf", kernel_btf()),
        "debian/12/arm64/6.1.0-9-arm64.btf": kernel_btf(),
        "README": b"no kernel",
        "strange.btf": b"",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    return tmp_path


def test_every_btf_file_of_a_folder_is_found_in_order_with_its_release(tree: Path) -> None:
    found = [(kernel.label, kernel.release) for kernel in kernel_files([tree])]
    assert found == [
        ("strange", ""),
        ("debian/12/arm64/6.1.0-9-arm64", "6.1.0-9-arm64"),
        ("ubuntu/20.04/x86_64/5.4.0-91-generic", "5.4.0-91-generic"),
        ("ubuntu/20.04/x86_64/5.4.0-92-generic", "5.4.0-92-generic"),
    ]


def test_a_file_stands_for_itself_and_a_missing_one_is_told_at_once(tree: Path) -> None:
    path = str(tree / "strange.btf")
    assert list(kernel_files([path])) == [KernelFile(path, path, "")]
    with pytest.raises(FileNotFoundError):
        list(kernel_files([tree / "none.btf"]))


@pytest.mark.parametrize(
    ("name", "release"),
    [("/x/6.1.0-9.btf", "6.1.0-9"), ("vmlinux-5.15.1", "5.15.1"), ("btf-6.1", "6.1"), ("5.4.0.btf.tar.xz", "5.4.0"),
     ("vmlinux", ""), ("strange.btf", "")],
)  # fmt: skip
def test_the_name_of_a_file_tells_the_release_if_it_is_one(name: str, release: str) -> None:
    assert release_of(name) == release


def test_an_archive_is_read_as_the_file_in_it(tree: Path) -> None:
    plain = tree / "ubuntu/20.04/x86_64/5.4.0-91-generic.btf"
    packed = tree / "ubuntu/20.04/x86_64/5.4.0-92-generic.btf.tar.xz"
    assert read_kernel_file(str(packed)).raw == read_kernel_file(str(plain)).raw == Btf.parse(kernel_btf()).raw


@pytest.mark.parametrize("image", [False, True])
def test_a_pipe_is_read_by_who_waits_for_it(tmp_path: Path, image: bool) -> None:
    pipe = tmp_path / "running.btf"
    os.mkfifo(pipe)
    elf = ElfWriter(machine=62)
    elf.add_section(".BTF", kernel_btf())
    data = elf.build() if image else kernel_btf()
    writer = threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True)
    writer.start()
    try:
        assert read_kernel_file(str(pipe), pipes=True).raw == kernel_btf()
    finally:
        writer.join(10)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [(b"", "the archive is damaged"), (b"junk" * 100, "the archive is damaged"),
     (_packed("README", b"text"), "the archive holds no .btf file"),
     (_packed("x.btf", kernel_btf())[:-60], "the archive is damaged")],
    ids=["empty", "junk", "without", "cut"],
)  # fmt: skip
def test_a_damaged_archive_is_an_error_that_names_it(tmp_path: Path, data: bytes, complaint: str) -> None:
    path = tmp_path / "x.btf.tar.xz"
    path.write_bytes(data)
    with pytest.raises(BtfError, match=complaint):
        read_kernel_file(str(path))


def test_what_is_no_regular_file_or_too_large_is_an_error_at_once(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe.btf", tmp_path / "large.btf"
    os.mkfifo(pipe)
    large.touch()
    os.truncate(large, 1 << 34)
    with pytest.raises(BtfError, match="no regular file"):
        read_kernel_file(str(pipe))
    with pytest.raises(BtfError, match="1024 MiB are no kernel's BTF"):
        read_kernel_file(str(large))


def test_an_image_is_mapped_and_read_like_its_types(tmp_path: Path) -> None:
    image = tmp_path / "vmlinux"
    writer = ElfWriter(machine=62)
    writer.add_section(".BTF", kernel_btf())
    image.write_bytes(writer.build())
    assert read_kernel_file(str(image)).raw == kernel_btf()


def test_the_folders_of_an_archive_are_those_of_btfhub() -> None:
    assert archive_folders("aarch64", "debian", "12") == ("debian/12/arm64", "debian/arm64", "arm64", ".")
    assert archive_folders("x86_64", "arch", "") == ("arch/x86_64", "x86_64", ".")


def test_the_running_kernels_file_is_found_in_such_a_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(btf_files, "_distribution", lambda: ("debian", "12"))
    machine = btf_files.os.uname().machine
    folder = tmp_path / archive_folders(machine, "debian", "12")[0]
    folder.mkdir(parents=True)
    (folder / "6.1.0-9.btf.tar.xz").write_bytes(_packed("6.1.0-9.btf", kernel_btf()))
    assert btf_files.find_btf(tmp_path, "6.1.0-9").raw == kernel_btf()
    with pytest.raises(Exception, match=r"(?s)PUREBPF_BTF.*not there: .*debian/12") as caught:
        btf_files.find_btf(tmp_path, "6.1.0-10")
    assert "6.1.0-10.btf.tar.xz" in str(caught.value)


def test_the_environment_names_paths_with_colons_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUREBPF_BTF", "/a.btf:/b")
    assert btf_files.environment_btf() == ["/a.btf", "/b"]
    monkeypatch.delenv("PUREBPF_BTF")
    assert btf_files.environment_btf() == []
