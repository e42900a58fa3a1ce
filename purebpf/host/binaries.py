"""Where a program or library that is only named ("bash", "libc.so.6") stands on this machine.

Programs are searched as a shell does; libraries in LD_LIBRARY_PATH, then in the dynamic linker's own cache
(/etc/ld.so.cache), then in the directories of a system that has no cache (musl, an initramfs).
"""

import os
import struct
from collections.abc import Iterator

from purebpf.errors import AttachTargetError
from purebpf.near import did_you_mean

_CACHE = "/etc/ld.so.cache"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_CACHE_HEADER = 48
_CACHE_ENTRY = struct.Struct("=iIIIQ")
_LARGEST_CACHE = 1 << 26


def find_binary(name: str) -> str:
    """Path of `name`: itself if it has a slash, else the program or library of that name.

    A bare 'libc' is taken for the library when no program has that name.
    """
    if "/" in name:
        if not os.path.isfile(name):
            raise AttachTargetError(f"there is no file '{name}'")
        return name
    if not name:
        raise AttachTargetError("no program or library is named")
    candidates = _libraries(name) if _is_library(name) else _programs(name)
    for path in candidates:
        if os.path.isfile(path):
            return path
    raise AttachTargetError(
        f"there is no {'library' if _is_library(name) else 'program'} '{name}'",
        evidence=[*_searched(name), *did_you_mean(name, _cached_names())],
        remedy="give the whole path",
    )


def parse_library_cache(data: bytes) -> dict[str, list[str]]:
    """Paths by library name, in the linker's order, of an ld.so.cache; {} for bytes of another form.

    A cache written for old linkers too has the present form behind the old one; offsets count from its start.
    """
    start = data.find(_CACHE_MAGIC)
    if start < 0 or len(data) - start < _CACHE_HEADER:
        return {}
    (count,) = struct.unpack_from("=I", data, start + len(_CACHE_MAGIC))
    count = min(count, (len(data) - start - _CACHE_HEADER) // _CACHE_ENTRY.size)
    entries = data[start + _CACHE_HEADER : start + _CACHE_HEADER + count * _CACHE_ENTRY.size]
    paths: dict[str, list[str]] = {}
    for _, key, value, _, _ in _CACHE_ENTRY.iter_unpack(entries):
        name, path = _text_at(data, start + key), _text_at(data, start + value)
        if name and path:
            paths.setdefault(name, []).append(path)
    return paths


def _is_library(name: str) -> bool:
    return name.endswith(".so") or ".so." in name


def _programs(name: str) -> Iterator[str]:
    for directory in _directories("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"):
        path = f"{directory}/{name}"
        if os.access(path, os.X_OK):
            yield path
    cache = _read_cache()
    for known in sorted(cache):
        if known.startswith(f"{name}.so"):
            yield from filter(_is_native, cache[known])


def _libraries(name: str) -> Iterator[str]:
    for directory in _directories("LD_LIBRARY_PATH", ""):
        yield f"{directory}/{name}"
    yield from filter(_is_native, _read_cache().get(name, ()))
    multiarch = f"{os.uname().machine}-linux-gnu"
    for directory in (f"/lib/{multiarch}", f"/usr/lib/{multiarch}", "/lib64", "/usr/lib64", "/lib", "/usr/lib"):
        yield f"{directory}/{name}"


def _directories(variable: str, default: str) -> list[str]:
    return [directory for directory in os.environ.get(variable, default).split(":") if directory]


def _searched(name: str) -> list[str]:
    if _is_library(name):
        return [f"searched LD_LIBRARY_PATH, {_CACHE} and the system's library directories"]
    return [f"searched PATH ({os.environ.get('PATH', 'not set')}) and {_CACHE}"]


def _read_cache() -> dict[str, list[str]]:
    try:
        with open(_CACHE, "rb") as file:
            return parse_library_cache(file.read(_LARGEST_CACHE))
    except OSError:
        return {}


def _cached_names() -> list[str]:
    return list(_read_cache())


def _is_native(path: str) -> bool:
    """Whether the file has this process's word size: a cache lists 32-bit libraries beside the others."""
    try:
        with open(path, "rb") as file:
            head = file.read(5)
    except OSError:
        return False
    return head[:4] == b"\x7fELF" and head[4] == (2 if struct.calcsize("P") == 8 else 1)


def _text_at(data: bytes, offset: int) -> str:
    end = data.find(b"\0", offset, offset + 4096)
    return "" if end < 0 else os.fsdecode(data[offset:end])
