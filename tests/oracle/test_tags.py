"""Tags that a loader must act on: libbpf 1.5 and purebpf make the same types, records and code of them."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from purebpf.host.target import running_target
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.target import Feature, Target
from tests.oracle import purebpf_side
from tests.oracle.corpus import SOURCES, cache_folder
from tests.oracle.libbpf import Record
from tools.corpus import libbpf as newer

HARNESS = Path(__file__).parent / "harness" / "libbpf_oracle.c"


@cache
def harness() -> Path:
    """The harness of these tests with the libbpf of Linux 6.12, which knows the tags."""
    folder = newer.library(newer.VERSIONS[newer.NEWER])
    made = cache_folder() / f"libbpf_oracle.newer.{os.getpid()}"
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", f"-I{folder / 'include'}", "-Wl,--wrap=syscall", "-Wl,--wrap=statfs"]
    subprocess.run(["gcc", *flags, str(HARNESS), "-o", str(made), str(folder / "libbpf.a"), "-lelf", "-lz"], check=True)
    return made


def judged(path: Path, *lacking: str) -> tuple[bytes, dict[str, Record]]:
    """The types and the programs that libbpf would hand to a kernel without these features."""
    # Without memory-mapped arrays: libbpf 1.5 wants the fd of one to be mappable, and the played ones are not.
    environment = {**os.environ, "PUREBPF_ORACLE_LACKS": f",mmap,{','.join(lacking)},"}
    answer = subprocess.run([str(harness()), str(path)], capture_output=True, text=True, check=True, env=environment)
    records = [json.loads(line) for line in answer.stdout.splitlines()]
    assert records[-1]["kind"] == "loaded"
    assert records[-1]["error"] == 0
    given = [record["data"] for record in records if record.get("command") == "BTF_LOAD"]
    return bytes.fromhex(given[-1]), {r["name"]: r for r in records if r.get("command") == "PROG_LOAD"}


@pytest.mark.parametrize("name", ["tags", "exception_callback"])
@pytest.mark.parametrize("known", [True, False], ids=["new", "old"])
def test_types_records_and_code_are_the_same(name: str, known: bool) -> None:
    path = SOURCES / "built" / f"{name}.bpf.o"
    running = running_target()
    target = Target("t", "", 0, "little", features={Feature.ARG_CTX_TAG: known}, read_btf=running.read_btf)
    plan = plan_object(open_object(path), target)
    types, programs = judged(path, *(() if known else ("arg_ctx",)))
    assert purebpf_side.btf_of(plan) == types
    for step in plan.programs():
        theirs = programs[step.kernel_name]
        assert step.func_info.hex() == theirs["func_info"]
        assert step.line_info.hex() == theirs["line_info"]
        if not step.slots:
            assert step.code.hex() == theirs["code"]
