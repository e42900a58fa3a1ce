"""Descriptions of kernels."""

import pytest

from purebpf.btf import Btf, BtfWriter, Int
from purebpf.errors import BtfError, NotSupported, PlanError
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


# ------------------------------------------------------------------ types, configuration, symbols


def with_int(name: str, base: Btf | None = None) -> bytes:
    writer = BtfWriter(base=base)
    writer.add(Int(name, 4, 32))
    return writer.build()


def described(**more) -> Target:
    """A kernel with the module 'nf_nat', from files of both forms."""
    return Target.from_btf(with_int("int"), release="6.1.2", **more)


def test_modules_are_given_by_name_or_named_after_their_files(tmp_path):
    data = with_int("own", Btf.parse(with_int("int")))
    file = tmp_path / "nf-nat.ko.btf"
    file.write_bytes(data)
    for modules in ({"nf_nat": data}, [file], [str(file)]):
        target = described(modules=modules)
        (module,) = target.modules()
        assert (module.name, module.btf.find_one("own"), module.btf.base) == ("nf_nat", 2, target.btf)
        assert [found.name for found in target.core_modules()] == ["nf_nat"]


def test_a_damaged_module_is_left_out_with_a_warning():
    with pytest.warns(RuntimeWarning, match="kernel module 'bad' cannot be read and are left out: .*no BTF"):
        assert list(described(modules={"bad": b"rubbish that is long enough"}).modules()) == []


def test_types_for_core_replace_the_kernels_and_its_modules_and_nothing_else():
    other = Btf.parse(with_int("other"))
    target = described(modules={"nf_nat": with_int("own", Btf.parse(with_int("int")))})
    assert target.core_btf is target.btf
    replaced = target.with_core_btf(other)
    assert replaced.core_btf is other
    assert list(replaced.core_modules()) == []
    assert replaced.btf is target.btf
    assert [module.name for module in replaced.modules()] == ["nf_nat"]


def test_what_needs_the_kernels_types_is_named_where_there_are_none():
    with pytest.raises(NotSupported, match="CONFIG_DEBUG_INFO_BTF") as caught:
        Target("t", "", 0, "little").require_btf("fentry of 'vfs_read'")
    assert "needed by fentry of 'vfs_read'" in str(caught.value)
    assert described().require_btf("anything").find_one("int") == 1


@pytest.mark.parametrize("given", ["CONFIG_HZ=250\nCONFIG_A=y\n", {"CONFIG_HZ": 250, "CONFIG_A": True}])
def test_a_configuration_is_given_and_overlaid(given):
    config = described(kconfig=given).configuration()
    assert (config.value("CONFIG_HZ"), config.value("CONFIG_A"), config.value("CONFIG_B")) == ("250", "y", None)
    over = described(kconfig=given).with_kconfig("CONFIG_HZ=1").configuration()
    assert (over.value("CONFIG_HZ"), over.value("CONFIG_A")) == ("1", "y")


def test_what_the_user_says_needs_no_configuration_behind_it():
    config = described().with_kconfig({"CONFIG_HZ": 1}).configuration()
    assert config.value("CONFIG_HZ") == "1"
    with pytest.raises(PlanError, match="does not tell the kernel's configuration"):
        config.value("CONFIG_OTHER")


def test_symbols_are_given():
    symbols = described(symbols={"jiffies": 0x10}).symbols()
    assert (symbols.addresses("jiffies"), symbols.addresses("other")) == ((0x10,), ())
    assert symbols.did_you_mean("jiffie") == ["did you mean 'jiffies'?"]
    with pytest.raises(PlanError, match="addresses of the kernel's symbols"):
        described().symbols()


def test_the_loaders_own_values_come_from_version_and_features():
    target = described(features={Feature.BPF_COOKIE: False})
    assert target.virtual_kconfig("LINUX_KERNEL_VERSION") == 0x060102
    assert target.virtual_kconfig("LINUX_HAS_BPF_COOKIE") == 0
    assert target.virtual_kconfig("LINUX_HAS_SYSCALL_WRAPPER") == 1
    assert target.virtual_kconfig("LINUX_OTHER") is None
    with pytest.raises(PlanError, match="does not tell the kernel's version"):
        Target.from_btf(with_int("int")).virtual_kconfig("LINUX_KERNEL_VERSION")
