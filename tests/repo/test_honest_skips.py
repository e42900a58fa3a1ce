"""The skip rule is itself tested: a rule that never fires would let every skip pass."""

import pytest

from purebpf.errors import NotSupported
from tests.honest_skips import enabled_options, lie, version

pytest_plugins = ["pytester"]

RELEASE = "6.1.0-56-cloud-amd64"
OPTIONS = frozenset({"CONFIG_KPROBES"})


def test_a_kernel_that_is_too_old_excuses_a_skip() -> None:
    assert lie(NotSupported("tcx", since="6.6"), RELEASE, OPTIONS) is None


def test_a_kernel_that_is_new_enough_does_not() -> None:
    assert lie(NotSupported("ringbuf", since="5.8"), RELEASE, OPTIONS) is not None


def test_an_option_that_is_off_excuses_a_skip_on_a_new_kernel() -> None:
    assert lie(NotSupported("fprobe", since="5.18", config="CONFIG_FPROBE"), RELEASE, OPTIONS) is None


def test_an_option_that_is_on_does_not() -> None:
    assert lie(NotSupported("kprobe", since="4.1", config="CONFIG_KPROBES"), RELEASE, OPTIONS) is not None


def test_an_option_excuses_nothing_when_the_configuration_is_unknown() -> None:
    assert lie(NotSupported("fprobe", since="5.18", config="CONFIG_FPROBE"), RELEASE, None) is not None


def test_a_refusal_that_names_neither_version_nor_option_excuses_nothing() -> None:
    assert lie(NotSupported("something"), RELEASE, OPTIONS) is not None


def test_versions_compare_as_numbers() -> None:
    assert version("6.12") > version("6.2.0-rc1") > version("5.15.0")


def test_options_are_those_that_are_built_in_or_modules() -> None:
    config = "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=12\n"
    assert enabled_options(config) == {"CONFIG_A", "CONFIG_B"}


def test_in_a_run_true_refusals_skip_and_everything_else_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from purebpf.errors import NotSupported

        def test_true_refusal(): raise NotSupported("x", since="99.0")
        def test_untrue_refusal(): raise NotSupported("x", since="2.6")
        def test_plain_skip(): pytest.skip("no wish to run")
        @pytest.mark.skipif(True, reason="no wish either")
        def test_conditional_skip(): raise AssertionError
        def test_that_passes(): pass
        """
    )
    import tests.honest_skips as plugin

    result = pytester.inline_run("-p", "no:cacheprovider", plugins=[plugin])
    passed, skipped, failed = result.listoutcomes()
    assert [report.nodeid.partition("::")[2] for report in passed] == ["test_that_passes"]
    assert [report.nodeid.partition("::")[2] for report in skipped] == ["test_true_refusal"]
    assert len(failed) == 3
