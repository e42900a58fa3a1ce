"""Descriptions of kernels."""

import pytest

from purebpf.errors import BtfError
from purebpf.host import running_target
from purebpf.plan.target import Feature, Target, encode_version

EMPTY = {
    "little": bytes.fromhex("9feb0100180000000000000000000000000000000100000000"),
    "big": bytes.fromhex("eb9f0100000000180000000000000000000000000000000100"),
}


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.1.0-9-amd64", 0x060100),
        ("6.18.44-fc-v445", 0x06122C),
        ("5.8", 0x050800),
        ("4.14.336", 0x040EFF),
        ("", 0),
        ("next-20240101", 0),
        ("6", 0),
        ("99999.1.1", 0),
    ],
)
def test_a_version_is_encoded_as_the_kernel_does(release, version):
    assert encode_version(release) == version


def test_features_of_a_mapping_are_there_unless_it_says_no():
    target = Target("t", "6.1", 0x060100, "little", features={Feature.BTF_ENUM64: False, Feature.BTF: True})
    assert not target.supports(Feature.BTF_ENUM64)
    assert target.supports(Feature.BTF)
    assert target.supports(Feature.PERF_LINK)


def test_a_feature_nobody_asked_for_is_not_looked_for():
    asked = []
    target = Target("t", "6.1", 0x060100, "little", features=lambda feature: not asked.append(feature))
    assert asked == []
    assert target.supports(Feature.BTF_FUNC)
    assert asked == [Feature.BTF_FUNC]


@pytest.mark.parametrize("byteorder", ["little", "big"])
def test_a_btf_file_makes_a_target(tmp_path, byteorder):
    file = tmp_path / "kernel.btf"
    file.write_bytes(EMPTY[byteorder])
    target = Target.from_btf(file, release="6.1.0-9-amd64", possible_cpus=4)
    assert (target.name, target.byteorder, target.kernel_version) == ("6.1.0-9-amd64", byteorder, 0x060100)
    assert target.possible_cpus == 4
    assert target.btf is not None
    assert target.btf.raw == EMPTY[byteorder]
    assert target.btf is target.btf


def test_bytes_make_a_target_named_as_such():
    assert Target.from_btf(EMPTY["little"]).name == "<bytes>"


def test_a_release_tells_the_features_that_are_not_named():
    target = Target.from_btf(EMPTY["little"], release="5.15.0-91-generic", features={Feature.BTF_ENUM64: True})
    assert target.supports(Feature.PERF_LINK)
    assert not target.supports(Feature.BTF_DECL_TAG)
    assert target.supports(Feature.BTF_ENUM64)
    assert Target.from_btf(EMPTY["little"]).supports(Feature.BTF_DECL_TAG)


def test_damaged_btf_is_a_btf_error_when_it_is_asked_for():
    with pytest.raises(BtfError):
        _ = Target.from_btf(b"no BTF at all").btf


def test_a_target_without_btf_says_none():
    assert Target("t", "", 0, "little").btf is None


def test_every_feature_says_what_it_is_and_since_when():
    for feature in Feature:
        assert feature.text
        assert encode_version(feature.since) > 0
    assert len({feature.text for feature in Feature}) == len(Feature)


def test_the_running_kernel_is_a_target():
    target = running_target()
    assert target.kernel_version > 0
    assert target.possible_cpus >= 1
    assert target.page_size >= 4096
    assert running_target() is target
