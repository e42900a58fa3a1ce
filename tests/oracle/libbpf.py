"""What libbpf says of an object: the harness, built once, and its answer as values.

Names in a `Verdict` are whole: the kernel's 15-byte names, by which the harness reports what went to the fake
kernel, are joined with the full ones over the fds that libbpf held in the end.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.oracle.corpus import cache_folder

_SOURCE = Path(__file__).parent / "harness" / "libbpf_oracle.c"
_LINK = ("-Wl,--wrap=syscall", "-Wl,--wrap=statfs", "-Wl,-Bstatic", "-lbpf", "-Wl,-Bdynamic", "-lelf", "-lz")

Record = dict[str, Any]


@dataclass(slots=True)
class Verdict:
    """Everything libbpf said and would have done, keyed by full names; `error` is 0 for an object that opened.

    `failed` are the programs that libbpf could not prepare, with its reason.
    """

    error: int
    reason: str
    kernel_version: int = 0
    programs: dict[str, Record] = field(default_factory=dict)
    maps: dict[str, Record] = field(default_factory=dict)
    created: dict[str, Record] = field(default_factory=dict)
    updates: list[Record] = field(default_factory=list)
    frozen: list[str] = field(default_factory=list)
    loaded: dict[str, Record] = field(default_factory=dict)
    bound: list[tuple[str, str]] = field(default_factory=list)
    btf: bytes = b""
    failed: dict[str, str] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)


@cache
def harness() -> Path:
    """The built harness; its name holds a hash of its source."""
    target = cache_folder() / f"libbpf_oracle.{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]}"
    if not target.exists():
        partial = target.with_suffix(".partial")
        command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", str(_SOURCE), "-o", str(partial), *_LINK]
        subprocess.run(command, check=True)
        partial.replace(target)
    return target


@cache
def judge(path: Path) -> Verdict:
    """Ask libbpf about one object."""
    answer = subprocess.run([str(harness()), str(path)], capture_output=True, text=True, check=True, timeout=60)
    records = [json.loads(line) for line in answer.stdout.splitlines()]
    opened = records[0]
    verdict = Verdict(opened["error"], opened["reason"].strip())
    batch: list[Record] = []
    for record in records[1:]:
        match record["kind"]:
            case "object":
                verdict.kernel_version = record["kernel_version"]
            case "program":
                verdict.programs[record["name"]] = record
            case "map":
                verdict.maps[record["name"]] = record
            case "loaded":
                _take(verdict, batch, record)
                batch = []
            case _:
                batch.append(record)
    return verdict


def _take(verdict: Verdict, batch: list[Record], outcome: Record) -> None:
    """One attempt to load: of the whole object, or of a single program."""
    if outcome["error"]:
        verdict.failed[outcome.get("program", "")] = outcome["reason"].strip()
        return
    maps = {record["fd"]: record["name"] for record in batch if record["kind"] == "map_fd"}
    programs = {record["fd"]: record["name"] for record in batch if record["kind"] == "program_fd"}
    short = {record["fd"]: record["name"] for record in batch if record.get("command") == "MAP_CREATE"}
    full = {short[fd]: name for fd, name in maps.items() if fd in short}
    first_time = not verdict.created
    for record in batch:
        match record.get("command"):
            case "BTF_LOAD":
                verdict.btf = bytes.fromhex(record["data"])
            case "MAP_CREATE" if first_time:
                verdict.created[_created_name(record, full, verdict)] = record
            case "MAP_UPDATE_ELEM" if first_time:
                verdict.updates.append({**record, "map": maps[record["map_fd"]]})
            case "MAP_FREEZE" if first_time:
                verdict.frozen.append(full.get(record["map"], record["map"]))
            case "PROG_LOAD":
                named = [[insn, maps[fd]] for insn, _, fd in record["references"]]
                verdict.loaded[programs[record["fd"]]] = {**record, "references": named}
            case "PROG_BIND_MAP":
                verdict.bound.append((record["program"], full.get(record["map"], record["map"])))
        if first_time and "command" in record:
            verdict.order.append(record["command"])


def _created_name(record: Record, full: dict[str, str], verdict: Verdict) -> str:
    """Full name of a created map; the template of an inner map has no fd left, its name is the outer one's."""
    name = full.get(record["name"])
    if name is None or name in verdict.created:
        return f"inner:{record['name']}"
    return name
