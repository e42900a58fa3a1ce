"""What libbpf says of an object: the harness, built once, and its answer as values.

Maps are named as the kernel would name them (15 bytes), programs by their whole names: the harness says which fd
each program had in the end.
"""

from __future__ import annotations

import hashlib
import json
import os
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
    """Everything libbpf said and would have done; `error` is 0 for an object that opened.

    `programs` and `maps` are what the opened object says. `created` and `settings` are the calls that made the maps
    and filled them, in order, maps by the names the kernel gets; `loaded` what each program's load would have been.
    `failed` are the programs that libbpf could not prepare, with its reason; `whole` says that none failed.
    """

    error: int
    reason: str
    programs: list[Record] = field(default_factory=list)
    maps: list[Record] = field(default_factory=list)
    created: list[Record] = field(default_factory=list)
    settings: list[tuple[str, ...]] = field(default_factory=list)
    loaded: dict[str, Record] = field(default_factory=dict)
    btf: bytes = b""
    failed: dict[str, str] = field(default_factory=dict)
    whole: bool = False


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
def judge(path: Path, core_types: Path | None = None, lacking: tuple[str, ...] = ()) -> Verdict:
    """Ask libbpf about one object, with other types for CO-RE than the running kernel's if any are given.

    `lacking` are words of the harness for what the played kernel does not know.
    """
    command = [str(harness()), str(path), *([str(core_types)] if core_types else [])]
    environment = {**os.environ, "PUREBPF_ORACLE_LACKS": f",{','.join(lacking)},"}
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
    records = [json.loads(line) for line in answer.stdout.splitlines()]
    opened = records[0]
    verdict = Verdict(opened["error"], opened["reason"].strip())
    batch: list[Record] = []
    for record in records[1:]:
        match record.pop("kind"):
            case "program":
                verdict.programs.append(record)
            case "map":
                verdict.maps.append(record)
            case "loaded":
                _take(verdict, batch, record)
                batch = []
            case "program_fd":
                batch.append({"command": "PROGRAM_FD", **record})
            case _:
                batch.append(record)
    return verdict


def _take(verdict: Verdict, batch: list[Record], outcome: Record) -> None:
    """One attempt to load: of the whole object, or of a single program where the whole did not load."""
    program = outcome.get("program")
    if outcome["error"]:
        verdict.failed[program] = outcome["reason"].strip()
        return
    verdict.whole = program is None
    names = {record["fd"]: record["name"] for record in batch if record.get("command") == "PROGRAM_FD"}
    first = not verdict.created and not verdict.settings
    for record in batch:
        match record.get("command"):
            case "BTF_LOAD":
                verdict.btf = bytes.fromhex(record["data"])
            case "PROG_LOAD":
                named = [[insn, short] for insn, short, _ in record["references"]]
                verdict.loaded[names[record["fd"]]] = {**record, "references": named}
            case "MAP_CREATE" if first:
                verdict.created.append(record)
            case str() if first and (said := _setting(record)):
                verdict.settings.append(said)


def _setting(record: Record) -> tuple[str, ...]:
    match record["command"]:
        case "MAP_UPDATE_ELEM" if "value_of" in record:
            return ("put", record["map"], record["key"], record["value_of"])
        case "MAP_UPDATE_ELEM":
            return ("set", record["map"], record["key"], record["value"])
        case "MAP_FREEZE":
            return ("freeze", record["map"])
        case "PROG_BIND_MAP":
            return ("bind", record["program"], record["map"])
        case _:
            return ()
