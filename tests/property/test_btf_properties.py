"""BTF: what is written is read back; damage gives a BtfError or a value, soon."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from purebpf.btf import (
    Btf,
    BtfExt,
    align_of,
    codec_for,
    declare,
    line_infos,
    resolve,
    rewrite,
    size_of,
    strip_modifiers,
)
from purebpf.elf import read_elf
from purebpf.errors import BtfError
from purebpf.testing import BtfContents, btf_contents, btf_files, damaged
from tests.property.bounded import bounded

FILES = [read_elf(path) for path in sorted((Path(__file__).parents[2] / "bpf" / "built").rglob("*.o"))]
SECTIONS = {elf.name: (btf.data, elf.section(".BTF.ext")) for elf in FILES if (btf := elf.section(".BTF"))}
WITH_EXT = [(btf, ext.data) for btf, ext in SECTIONS.values() if ext is not None]


def look_at_everything(btf: Btf) -> int:
    """Ask everything about every type; what cannot be answered is a BtfError. The result counts the answers."""
    answers = 0
    for type_id in [*btf.ids(), btf.end_id, 0]:
        for question in (
            btf.__getitem__,
            btf.kind,
            btf.name_of,
            lambda type_id: btf.find(btf.name_of(type_id)),
            lambda type_id: size_of(btf, type_id),
            lambda type_id: align_of(btf, type_id),
            lambda type_id: resolve(btf, type_id),
            lambda type_id: strip_modifiers(btf, type_id),
            lambda type_id: declare(btf, type_id),
            lambda type_id: codec_for(btf, type_id).size,
        ):
            try:
                question(type_id)
            except BtfError as error:
                assert error.reason  # noqa: PT017
            else:
                answers += 1
    return answers


@given(btf_contents())
def test_what_is_written_is_read_back(contents: BtfContents) -> None:
    btf = Btf.parse(contents.build())
    assert btf.byteorder == contents.byteorder
    assert [btf[type_id] for type_id in btf.ids()] == list(contents.types)
    assert [btf.name_of(type_id) for type_id in btf.ids()] == [kind.name for kind in contents.types]
    for type_id in btf.ids():
        name = btf.name_of(type_id)
        if name:
            assert type_id in btf.find(name)
            assert btf.find(name, btf.kind(type_id)) == tuple(
                other for other in btf.ids() if btf.name_of(other) == name and btf.kind(other) == btf.kind(type_id)
            )


@given(btf_contents())
def test_rewriting_every_type_with_an_equal_one_changes_nothing(contents: BtfContents) -> None:
    btf = Btf.parse(contents.build())
    assert rewrite(btf, lambda type_id, _: contents.types[type_id - 1]) == btf.raw


@given(btf_files())
def test_types_that_make_no_sense_are_answered_or_refused(data: bytes) -> None:
    with bounded(5):
        look_at_everything(Btf.parse(data))


@given(damaged(btf_files()))
def test_damaged_types_are_answered_or_refused(data: bytes) -> None:
    with bounded(5):
        try:
            btf = Btf.parse(data, name="damaged")
        except BtfError as error:
            assert error.file == "damaged"  # noqa: PT017
        else:
            look_at_everything(btf)


@given(damaged(st.sampled_from([btf for btf, _ in SECTIONS.values()])))
def test_damaged_types_of_clang_are_answered_or_refused(data: bytes) -> None:
    with bounded(10):
        try:
            btf = Btf.parse(data)
        except BtfError:
            return
        look_at_everything(btf)


@given(st.sampled_from(WITH_EXT).flatmap(lambda pair: st.tuples(st.just(pair[0]), damaged(st.just(pair[1])))))
def test_damaged_records_of_clang_are_read_or_refused(sections: tuple[bytes, bytes]) -> None:
    btf = Btf.parse(sections[0])
    with bounded(5):
        try:
            ext = BtfExt.parse(sections[1], btf)
            for info in ext.line_info.values():
                assert len(list(line_infos(info, btf, ext.byteorder))) == len(info)
        except BtfError as error:
            assert error.reason  # noqa: PT017


def test_undamaged_objects_of_clang_have_types_and_records_to_ask_about() -> None:
    assert len(WITH_EXT) > 10
    assert look_at_everything(Btf.parse(WITH_EXT[0][0])) > 100
