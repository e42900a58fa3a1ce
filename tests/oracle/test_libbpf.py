"""purebpf and libbpf make the same of the same object: maps, SEC() verdicts, final instructions, records.

Every object of the corpus is judged by libbpf itself, in a process where bpf(2) is played (harness/). What differs
on purpose stands in known_differences.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from purebpf.errors import BpfError
from purebpf.host.version import running_version
from tests.oracle import purebpf_side
from tests.oracle.corpus import Origin, origins
from tests.oracle.known_differences import (
    NEWER_SECTIONS,
    NO_TYPES,
    REFUSED_BY_LIBBPF,
    TAKES_THE_RUNNING_VERSION,
)
from tests.oracle.libbpf import Record, Verdict, judge
from tests.oracle.purebpf_side import Prepared, prepare

pytestmark = pytest.mark.parametrize("origin", [pytest.param(origin, id=origin.name) for origin in origins()])


def _judged(origin: Origin) -> Iterator[tuple[Path, Verdict]]:
    """The objects that libbpf opens; a refusal must be one that we know."""
    objects = origin.objects()
    assert objects
    for path in objects:
        verdict = judge(path)
        if verdict.error:
            assert any(reason in verdict.reason for reason in REFUSED_BY_LIBBPF), verdict.reason
        else:
            yield path, verdict


def _compared(origin: Origin) -> Iterator[tuple[Prepared, Verdict]]:
    for path, verdict in _judged(origin):
        yield prepare(path), verdict


def _of_interest(record: Record, like: Record) -> Record:
    return {name: record[name] for name in like}


def test_an_object_that_libbpf_opens_opens_and_one_without_types_is_refused(origin: Origin) -> None:
    for path in origin.objects():
        verdict = judge(path)
        if verdict.error and NO_TYPES in verdict.reason:
            with pytest.raises(BpfError):
                prepare(path)
        else:
            assert prepare(path).spec.programs


def test_each_program_gets_the_type_and_attach_type_of_its_section(origin: Origin) -> None:
    for prepared, verdict in _compared(origin):
        mine = purebpf_side.program_verdicts(prepared.spec)
        newer = {record["name"] for record in verdict.programs if _came_later(record["section"])}
        assert all(record["type"] == 0 for record in verdict.programs if record["name"] in newer)
        assert all(record["type"] != 0 for record in mine if record["name"] in newer)
        assert [r for r in mine if r["name"] not in newer] == [
            _of_interest(r, mine[0]) for r in verdict.programs if r["name"] not in newer
        ]


def _came_later(section: str) -> bool:
    return section in NEWER_SECTIONS or section.partition("/")[0] in NEWER_SECTIONS


def test_the_maps_are_created_in_the_same_order_with_the_same_parameters(origin: Origin) -> None:
    for prepared, verdict in _compared(origin):
        if prepared.plan is None or not verdict.created:
            continue
        mine = purebpf_side.created_maps(prepared.plan)
        assert mine == [_of_interest(record, mine[0]) for record in verdict.created]


@pytest.mark.parametrize("verbs", [("set", "freeze"), ("put",), ("bind",)], ids="-".join)
def test_values_slots_and_bindings_are_set_alike(origin: Origin, verbs: tuple[str, ...]) -> None:
    for prepared, verdict in _compared(origin):
        if prepared.plan is None or not verdict.whole:
            continue
        absent = {name[:15] for name in (*prepared.left_out, *_unloaded(verdict))}
        mine = _said(purebpf_side.settings(prepared.plan), verbs, absent)
        assert mine == _said(verdict.settings, verbs, absent)


def _said(settings: list[tuple[str, ...]], verbs: tuple[str, ...], absent: set[str]) -> list[tuple[str, ...]]:
    return [said for said in settings if said[0] in verbs and not absent & set(said)]


def _unloaded(verdict: Verdict) -> list[str]:
    return [record["name"] for record in verdict.programs if record["name"] not in verdict.loaded]


def test_the_kernel_gets_the_same_types(origin: Origin) -> None:
    for prepared, verdict in _compared(origin):
        if prepared.plan is None or not verdict.btf:
            continue
        assert purebpf_side.btf_of(prepared.plan) == verdict.btf


def test_each_program_is_loaded_with_the_same_instructions_and_records(origin: Origin) -> None:
    for prepared, verdict in _compared(origin):
        if prepared.plan is None:
            continue
        names = purebpf_side.kernel_names(prepared.plan)
        planned = {step.name: step for step in prepared.plan.programs()}
        for name in planned.keys() & verdict.loaded.keys():
            mine = purebpf_side.loaded_program(planned[name], names)
            theirs = _of_interest(verdict.loaded[name], mine)
            if mine["type"] in TAKES_THE_RUNNING_VERSION and not prepared.plan.spec.kernel_version:
                theirs["kernel_version"] = running_version()
            assert mine == theirs, name
        unplanned = verdict.loaded.keys() - planned.keys()
        assert unplanned <= prepared.left_out.keys()
