"""The skip rule: a test is skipped only by the library's own `NotSupported`, and that may not lie.

A test never decides by itself that it cannot run. It does what it tests; where the kernel lacks the feature, the
library says so with the version (`since`) and the build option (`config`) that would have it, and these two are
checked here against the running kernel. A kernel that is new enough and configured for it makes the skip a failure.

Tools that a tier needs are no ground either: `./dev test` installs them, or names the tier as not run.
"""

import gzip
import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from purebpf.errors import NotSupported


def lie(error: NotSupported, release: str, options: frozenset[str] | None) -> str | None:
    """Say why `error` is not true of a kernel of this release and these build options; None if it is.

    `options` are the options that are y or m; None means that the kernel's configuration cannot be read, and then
    only the version can excuse a skip.
    """
    if error.since is None and error.config is None:
        return "it names neither the version nor the build option that would have it"
    if error.since is not None and version(release) < version(error.since):
        return None
    if error.config is not None and options is not None:
        named = re.findall(r"CONFIG_\w+", error.config)
        if any(option not in options for option in named):
            return None
    return f"kernel {release} is new enough and configured for it"


def version(text: str) -> tuple[int, int]:
    """Read '6.12' or '6.1.0-56-cloud-amd64' as (6, 12) or (6, 1): features arrive with minor versions."""
    found = re.match(r"(\d+)\.(\d+)", text)
    if found is None:
        raise ValueError(f"no kernel version: '{text}'")
    return int(found[1]), int(found[2])


def enabled_options(config: str) -> frozenset[str]:
    """Give the options that are y or m in a kernel's configuration."""
    return frozenset(re.findall(r"^(CONFIG_\w+)=[ym]$", config, re.MULTILINE))


def running_options() -> frozenset[str] | None:
    """Give the running kernel's options, or None where it does not tell."""
    packed, plain = Path("/proc/config.gz"), Path(f"/boot/config-{os.uname().release}")
    if packed.exists():
        return enabled_options(gzip.decompress(packed.read_bytes()).decode())
    return enabled_options(plain.read_text()) if plain.exists() else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Turn NotSupported into a skip where it is true, and every other skip into a failure."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, NotSupported) and report.failed:
        untrue = lie(error, os.uname().release, running_options())
        if untrue is None:
            report.outcome = "skipped"
            report.longrepr = (str(item.path), (item.location[1] or 0) + 1, f"Skipped: {error}")
        else:
            report.sections.append(("skip rule", f"this NotSupported is no ground for a skip: {untrue}"))
    elif report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped by the test itself ({error}); only NotSupported may do that"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """A module may not skip itself as a whole."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid}: the module skips itself; only NotSupported, in a test, may do that"
    return report
