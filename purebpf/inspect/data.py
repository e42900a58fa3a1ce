"""Stages as plain data, for `--json` and for programs: numbers, strings, lists and dicts.

Rules: names of kernel things are the kernel's words in lower case, code and images are hex strings, and a key
that is there once is always there.
"""

from dataclasses import fields, is_dataclass
from typing import Any

from purebpf.btf import Btf
from purebpf.enums import Enum
from purebpf.plan.stages import FileRead, StageResult
from purebpf.plan.steps import LoadPlan


def stage_data(result: StageResult) -> dict[str, Any]:
    """One stage as data: its name, how long it took, its value or its error."""
    error = result.error
    return {
        "stage": result.stage,
        "microseconds": round(result.seconds * 1e6),
        "error": None if error is None else {"type": type(error).__name__, "message": str(error)},
        "value": None if error is not None else plain(result.value),
    }


def plain(value: Any) -> Any:
    """`value`, a stage's result or a part of one, as what JSON knows."""
    match value:
        case None | bool() | str() | float():
            return value
        case LoadPlan():
            return value.to_json()
        case FileRead(elf=elf, btf=btf):
            return {"elf": plain(elf), "btf": plain(btf)}
        case Btf():
            return {"types": len(value), "bytes": len(value.raw)}
        case Enum():
            return value.name.lower()
        case int():
            return int(value)
        case bytes():
            return value.hex()
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case tuple() | list():
            return [plain(item) for item in value]
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if hasattr(value, "items"):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value)
