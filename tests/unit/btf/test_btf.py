"""The package's public face."""

import subprocess
import sys

import pytest

import purebpf.btf


def test_every_public_name_is_there() -> None:
    for name in purebpf.btf.__all__:
        assert getattr(purebpf.btf, name) is not None
    assert dir(purebpf.btf) == sorted(purebpf.btf.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        purebpf.btf.missing  # noqa: B018


def test_reading_does_not_import_what_only_writing_and_decoding_need() -> None:
    later = "{'purebpf.btf.codec', 'purebpf.btf.writer', 'purebpf.btf.decl'}"
    code = f"import sys, purebpf.btf; sys.exit(bool({later} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
