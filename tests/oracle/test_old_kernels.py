"""purebpf and libbpf give an old kernel the same: types, helper calls, attach types, flags of maps.

The kernel that the harness plays refuses what an old one does not know, so libbpf's own probes find out what is
missing; purebpf is told by its target.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from purebpf.errors import PlanError
from purebpf.host.cpus import possible_cpus
from purebpf.host.target import running_target
from purebpf.host.version import running_version
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import LoadPlan
from purebpf.plan.target import Feature, Target
from tests.oracle import purebpf_side
from tests.oracle.corpus import Origin, built, shipped
from tests.oracle.libbpf import judge

LACKING = {
    "func": Feature.BTF_FUNC,
    "global_func": Feature.BTF_GLOBAL_FUNC,
    "datasec": Feature.BTF_DATASEC,
    "float": Feature.BTF_FLOAT,
    "decl_tag": Feature.BTF_DECL_TAG,
    "type_tag": Feature.BTF_TYPE_TAG,
    "enum64": Feature.BTF_ENUM64,
    "probe_read": Feature.PROBE_READ_KERNEL,
    "attach_type": Feature.EXP_ATTACH_TYPE,
    "mmap": Feature.ARRAY_MMAP,
    "bind": Feature.PROG_BIND_MAP,
}
"""The harness's word for a feature -> the feature."""

# libbpf looks for tags of declarations with one of a variable, so where there are no variables it finds none either.
KERNELS = [*((word, "decl_tag") if word == "datasec" else (word,) for word in LACKING), tuple(LACKING)]
# Newer than libbpf 1.1, which takes them for absent or for present.
UNKNOWN_TO_LIBBPF = (Feature.BTF_QMARK_DATASEC, Feature.BTF_LAYOUT)
EVERY_NTH = 4


def objects() -> Iterator[Origin]:
    """Those of bpf/ and some of those that Debian ships."""
    yield from (origin for origin in built() if "variants" not in origin.name)
    yield from list(shipped())[::EVERY_NTH]


@cache
def plan(path: Path, lacking: tuple[str, ...]) -> LoadPlan | None:
    """The plan for a kernel like the running one without some features; None for what cannot be planned."""
    running = running_target()
    missing = {LACKING[word] for word in lacking}
    target = Target(
        "old",
        running.release,
        running_version(),
        "little",
        possible_cpus=len(possible_cpus()),
        features=lambda feature: feature not in missing and feature is not Feature.UPROBE_MULTI_LINK,
        read_btf=running.read_btf,
        read_modules=running.read_modules,
        read_symbols=running.read_symbols,
        read_kconfig=running.read_kconfig,
    )
    try:
        return plan_object(open_object(path), target)
    except PlanError:
        return None


@pytest.mark.parametrize("lacking", KERNELS, ids="+".join)
def test_an_old_kernel_is_given_the_same(lacking: tuple[str, ...]) -> None:
    compared = with_externs = 0
    for origin in objects():
        for path in origin.objects():
            verdict = judge(path, lacking=lacking)
            mine = plan(path, lacking) if verdict.whole else None
            if mine is None:
                continue
            compared += 1
            with_externs += bool(mine.spec.externs)
            assert purebpf_side.btf_of(mine) == verdict.btf, path
            names = purebpf_side.kernel_names(mine)
            for step in mine.programs():
                theirs = verdict.loaded.get(step.name)
                if theirs is None or step.name in purebpf_side.prepare(path).left_out:
                    continue  # A section that libbpf 1.1 does not know, or a known difference.
                given = purebpf_side.loaded_program(step, names)
                del given["kernel_version"]
                assert given == {name: theirs[name] for name in given}, (path, step.name)
            created = purebpf_side.created_maps(mine)
            assert [record["flags"] for record in created] == [record["flags"] for record in verdict.created], path
    assert compared >= 20
    assert with_externs >= 4
