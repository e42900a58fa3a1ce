"""Names of ELF's numbers."""

from purebpf.elf.names import file_type_name, machine_name, section_type_name


def test_known_numbers_have_elfs_names() -> None:
    assert machine_name(247) == "EM_BPF"
    assert file_type_name(1) == "ET_REL"
    assert section_type_name(9) == "SHT_REL"


def test_unknown_numbers_are_shown_as_they_are() -> None:
    assert machine_name(0xFADE) == "0xfade"
    assert file_type_name(0x1234) == "0x1234"
    assert section_type_name(0x6FFFFFFF - 0x1234) == "0x6fffedcb"
