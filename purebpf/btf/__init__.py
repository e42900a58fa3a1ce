"""BTF, the type information of BPF objects and of the kernel: reading, layout, values, writing, printing.

`Btf.parse(data)` indexes a .BTF section and `btf[type_id]` gives a type as one of the frozen classes of
`purebpf.btf.types`. Everything here works on bytes alone. The parts that not every load needs (codec, declarations,
writing) are imported when first named.
"""

from __future__ import annotations

from purebpf.btf.edits import with_types
from purebpf.btf.ext import BtfExt, CoreKind, CoreRelocation, InfoSection, LineInfo, line_at, line_infos
from purebpf.btf.kinds import Scan
from purebpf.btf.layout import align_of, size_of
from purebpf.btf.lookup import resolve, strip_modifiers
from purebpf.btf.reader import Btf
from purebpf.btf.types import (
    Array,
    BtfType,
    Const,
    DataSection,
    DeclTag,
    Enum,
    Enumerator,
    Float,
    Forward,
    Function,
    FunctionProto,
    Int,
    Kind,
    Linkage,
    Member,
    Parameter,
    Pointer,
    Restrict,
    SectionVariable,
    Struct,
    Typedef,
    TypeTag,
    Union,
    Unknown,
    Variable,
    Void,
    Volatile,
)
from purebpf.errors import BtfError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from purebpf.btf.codec import codec_for
    from purebpf.btf.decl import declare, type_name
    from purebpf.btf.writer import BtfExtWriter, BtfWriter, rewrite, with_added, without_layout

_LATER = {
    "BtfExtWriter": "purebpf.btf.writer",
    "BtfWriter": "purebpf.btf.writer",
    "codec_for": "purebpf.btf.codec",
    "declare": "purebpf.btf.decl",
    "rewrite": "purebpf.btf.writer",
    "type_name": "purebpf.btf.decl",
    "with_added": "purebpf.btf.writer",
    "without_layout": "purebpf.btf.writer",
}

__all__ = [
    "Array",
    "Btf",
    "BtfError",
    "BtfExt",
    "BtfExtWriter",
    "BtfType",
    "BtfWriter",
    "Const",
    "CoreKind",
    "CoreRelocation",
    "DataSection",
    "DeclTag",
    "Enum",
    "Enumerator",
    "Float",
    "Forward",
    "Function",
    "FunctionProto",
    "InfoSection",
    "Int",
    "Kind",
    "LineInfo",
    "Linkage",
    "Member",
    "Parameter",
    "Pointer",
    "Restrict",
    "Scan",
    "SectionVariable",
    "Struct",
    "TypeTag",
    "Typedef",
    "Union",
    "Unknown",
    "Variable",
    "Void",
    "Volatile",
    "align_of",
    "codec_for",
    "declare",
    "line_at",
    "line_infos",
    "resolve",
    "rewrite",
    "size_of",
    "strip_modifiers",
    "type_name",
    "with_added",
    "with_types",
    "without_layout",
]


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module 'purebpf.btf' has no attribute '{name}'")
    value = globals()[name] = getattr(__import__(_LATER[name], fromlist=(name,)), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
