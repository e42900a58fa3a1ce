"""Exception callbacks, as the tags of programs name them."""

from purebpf.btf import DeclTag, Kind
from purebpf.plan.stages import open_object
from purebpf.spec import ObjectSpec
from tests.writers import TypedObjectWriter

EXIT = b"\x95" + bytes(7)


def plain() -> TypedObjectWriter:
    file = TypedObjectWriter()
    for name, section in (("entry", "tc"), ("other", "tc"), ("callback", ".text")):
        file.function(name, EXIT, section=section)
    return file


def tagged(*tags: tuple[str, str, int]) -> ObjectSpec:
    """Programs 'entry' and 'other' with function 'callback'; the tags are (text, function, component)."""
    btf = open_object(plain().build()).btf
    assert btf is not None
    file = plain()
    for text, function, component in tags:
        (type_id,) = btf.find(function, Kind.FUNC)
        file.types.add(DeclTag(text, type_id, component))
    return open_object(file.build())


def test_a_program_has_the_callback_that_its_tag_names() -> None:
    spec = tagged(("exception_callback:callback", "entry", -1))
    assert spec.programs["entry"].exception_callbacks == ("callback",)
    assert spec.programs["other"].exception_callbacks == ()


def test_tags_are_kept_in_their_order_and_not_judged() -> None:
    spec = tagged(("exception_callback:b", "entry", -1), ("exception_callback:", "entry", -1))
    assert spec.programs["entry"].exception_callbacks == ("b", "")


def test_other_tags_and_tags_of_other_things_say_nothing() -> None:
    spec = tagged(("kfunc", "entry", -1), ("exception_callback:callback", "callback", -1))
    assert all(program.exception_callbacks == () for program in spec.programs.values())
