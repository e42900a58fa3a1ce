"""The types that an old kernel is given."""

import pytest

from purebpf.btf import (
    Btf,
    BtfType,
    BtfWriter,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Enumerator,
    Float,
    Function,
    FunctionProto,
    Int,
    Linkage,
    Member,
    SectionVariable,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Variable,
)
from purebpf.plan import sanitize as module
from purebpf.plan.sanitize import sanitize
from purebpf.plan.target import FEATURES_OF_TYPES, Feature, Target
from purebpf.units import BitOffset, TypeId

INT = TypeId(1)
TYPES: dict[str, BtfType] = {
    "int": Int("int", 4, 32, signed=True),
    "proto": FunctionProto(INT, ()),
    "function": Function("f", TypeId(2), Linkage.GLOBAL),
    "variable": Variable("v", INT, Linkage.GLOBAL),
    "section": DataSection(".data", 4, (SectionVariable(TypeId(4), 0, 4),)),
    "optional": DataSection("?.struct_ops", 4, (SectionVariable(TypeId(4), 0, 4),)),
    "float": Float("double", 8),
    "decl_tag": DeclTag("tag", TypeId(4)),
    "type_tag": TypeTag("user", INT),
    "wide": Enum("big", 8, (Enumerator("BIG", 1 << 40),), wide=True),
    "signed": Enum("small", 4, (Enumerator("NONE", -1), Enumerator("ONE", 1)), signed=True),
}


def sanitized(*lacking: Feature) -> dict[str, BtfType]:
    """What a kernel without these features is given, by the names above."""
    writer = BtfWriter()
    for found in TYPES.values():
        writer.add(found)
    features = dict.fromkeys(lacking, False)
    data = sanitize(Btf.parse(writer.build()), Target("old", "", 0, "little", features=features))
    assert data is not None
    types = Btf.parse(data)
    return {name: types[TypeId(number)] for number, name in enumerate(TYPES, 1)}


def test_a_kernel_that_knows_everything_gets_the_bytes_of_the_file() -> None:
    writer = BtfWriter()
    for found in TYPES.values():
        writer.add(found)
    btf = Btf.parse(writer.build())
    assert sanitize(btf, Target("new", "", 0, "little")) is btf.raw


def test_each_change_is_for_want_of_a_feature_that_is_asked_for_before_the_stage_is_loaded() -> None:
    assert {Feature.BTF, *(feature for feature, _ in module._CHANGES)} == set(FEATURES_OF_TYPES)


def test_a_kernel_without_btf_gets_none() -> None:
    target = Target("old", "", 0, "little", features={Feature.BTF: False})
    assert sanitize(Btf.parse(BtfWriter().build()), target) is None


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        (Feature.BTF_FUNC, {"function": Typedef("f", TypeId(2)), "proto": Enum("", 4, ())}),
        (Feature.BTF_GLOBAL_FUNC, {"function": Function("f", TypeId(2), Linkage.STATIC)}),
        (
            Feature.BTF_DATASEC,
            {
                "variable": Int("v", 1, 8),
                "section": Struct("_data", 4, (Member("v", TypeId(4), BitOffset(0)),)),
                "optional": Struct("__struct_ops", 4, (Member("v", TypeId(4), BitOffset(0)),)),
            },
        ),
        (
            Feature.BTF_QMARK_DATASEC,
            {"optional": DataSection("_.struct_ops", 4, (SectionVariable(TypeId(4), 0, 4),))},
        ),
        (Feature.BTF_FLOAT, {"float": Struct("", 8, ())}),
        (Feature.BTF_DECL_TAG, {"decl_tag": Int("tag", 1, 8)}),
        (Feature.BTF_TYPE_TAG, {"type_tag": Const(INT)}),
        (
            Feature.BTF_ENUM64,
            {
                "wide": Union("big", 8, (Member("BIG", TypeId(12), BitOffset(0)),)),
                "signed": Enum("small", 4, (Enumerator("NONE", 0xFFFF_FFFF), Enumerator("ONE", 1))),
            },
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Feature) else "",
)
def test_what_a_kernel_does_not_know_becomes_what_it_knows_and_the_rest_stays(
    lacking: Feature, expected: dict[str, BtfType]
) -> None:
    assert sanitized(lacking) == {**TYPES, **expected}


def test_a_kernel_that_lacks_everything_keeps_every_id() -> None:
    lacking = [feature for feature in Feature if feature.name.startswith("BTF_")]
    found = sanitized(*lacking)
    assert len(found) == len(TYPES)
    assert found["int"] == TYPES["int"]
