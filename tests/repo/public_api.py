"""The public names of purebpf with their signatures, as text: what a user's program may rely on."""

import inspect
import re
from types import ModuleType

from purebpf.enums import Enum


def describe(module: ModuleType) -> str:
    """A line for each name in `__all__`, and below a class a line for each public member."""
    lines: list[str] = []
    for name in sorted(module.__all__):
        value = getattr(module, name)
        if inspect.isclass(value):
            lines += [f"class {name}({', '.join(base.__name__ for base in value.__bases__)})", *_members(value)]
        else:
            lines.append(f"def {name}{_signature(value)}")
    # A function as a default prints its address, which no two runs share.
    return re.sub(r" at 0x[0-9a-f]+", "", "\n".join(lines) + "\n")


def _members(owner: type) -> list[str]:
    if issubclass(owner, Enum):
        # their members are the kernel's ABI or a probe table: tables of their own, compared elsewhere
        return []
    lines = []
    for name in sorted({*vars(owner), *getattr(owner, "__annotations__", {})}):
        if name.startswith("_") and name not in ("__init__", "__enter__", "__iter__", "__len__", "__getitem__"):
            continue
        lines.append(f"  {_member(owner, name)}")
    return lines


def _member(owner: type, name: str) -> str:
    # Of a frozen class `__init__` is made when it is asked for.
    value = getattr(owner, name) if name == "__init__" else inspect.getattr_static(owner, name, None)
    match value:
        case staticmethod() | classmethod():
            return f"{type(value).__name__} {name}{_signature(value.__func__)}"
        case property():
            return f"property {name}{_returned(value.fget)}"
        case _ if inspect.isfunction(value):
            return f"def {name}{_signature(value)}"
    annotation = getattr(owner, "__annotations__", {}).get(name)
    return f"{name}: {_text(annotation)}" if annotation is not None else name


def _signature(function: object) -> str:
    assert callable(function)
    signature = inspect.signature(function)
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)) + _returned(
        function
    )


def _returned(function: object) -> str:
    annotation = inspect.signature(function).return_annotation  # type: ignore[arg-type]
    return "" if annotation is inspect.Signature.empty else f" -> {_text(annotation)}"


def _text(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return text.replace("purebpf.", "").replace("collections.abc.", "")
