"""The text of a kernel's configuration, and what the user says instead.

Rules: a line `CONFIG_NAME=value` sets a value and the first such line of a name counts, as in libbpf; every other
line says nothing, so that whole .config files can be given. The text of a kernel has 10 000 lines of which an object
asks for three: it is searched as bytes, 30 us a name.
"""

import re
from collections.abc import Callable, Mapping

from purebpf.errors import UnknownFact
from purebpf.frozen import Frozen, field
from purebpf.near import did_you_mean
from purebpf.relocate.kernel_facts import Kconfig

_NAMES = re.compile(rb"^(CONFIG_\w+)=", re.MULTILINE)
_NAME = re.compile(r"CONFIG_\w+")
_HEADING = re.compile(r"^# Linux/\S+ \S+ Kernel Configuration$", re.MULTILINE)
_HEADING_WITHIN = 4096
_ONE_WORD = re.compile(r"\s*[^\s#]+\s*")
_VALUE = re.compile(r'[^\s"].*|".*"', re.DOTALL)


class ConfigText(Frozen):
    """A kernel's .config, and where it was read."""

    text: bytes = field(repr=False)
    source: str

    def value(self, name: str) -> str | None:
        """What stands behind 'CONFIG_...=', None if there is no such line."""
        needle = name.encode("utf-8", "surrogateescape") + b"="
        at = 0 if self.text.startswith(needle) else self.text.find(b"\n" + needle) + 1
        if not at and not self.text.startswith(needle):
            return None
        begin = at + len(needle)
        end = self.text.find(b"\n", begin)
        line = self.text[begin : end if end >= 0 else len(self.text)]
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def did_you_mean(self, name: str) -> list[str]:
        """A line of evidence with names like `name` that are set, or none."""
        return did_you_mean(name, (found.decode() for found in _NAMES.findall(self.text)))


class OverlaidConfig(Frozen):
    """What the user says, and behind it the kernel's configuration, which is read only if it is needed.

    Where nothing is known of the kernel's, a `whole` .config says of what it does not name that it is not set.
    """

    overlay: Mapping[str, str]
    behind: Callable[[], Kconfig]
    whole: bool = False

    @property
    def source(self) -> str:
        """Where the kernel's was read."""
        behind = self._known_behind()
        return "the option kconfig" if behind is None else f"the option kconfig and {behind.source}"

    def value(self, name: str) -> str | None:
        """What the one or the other says; `UnknownFact` where nobody says anything of `name`."""
        known = self.overlay.get(name)
        if known is not None:
            return known
        behind = self._known_behind()
        if behind is None and not self.whole:
            raise UnknownFact(
                f"the option kconfig does not give {name}, and the description of the target does not tell the "
                "kernel's configuration",
                remedy=f"give it too ('{name}=...'), or the kernel's whole .config, where what is not named is not set",
            )
        return behind.value(name) if behind is not None else None

    def did_you_mean(self, name: str) -> list[str]:
        """A line of evidence with names like `name` that are set, or none."""
        behind = self._known_behind()
        return did_you_mean(name, self.overlay) if behind is None else behind.did_you_mean(name)

    def _known_behind(self) -> Kconfig | None:
        try:
            return self.behind()
        except UnknownFact:
            return None


def is_whole(given: str | Mapping[str, object]) -> bool:
    """Whether it is the .config of a kernel, by the heading that its configurator writes, rather than a few values."""
    return isinstance(given, str) and _HEADING.search(given[:_HEADING_WITHIN]) is not None


def parse_overlay(given: str | Mapping[str, object]) -> dict[str, str]:
    """The values that the option `kconfig` gives, as text of a .config or as a mapping; ValueError for what is neither.

    In a mapping True and False are y and n, numbers are numbers, and a str is what .config would say: a text has its
    quotes ('"(none)"').
    """
    if isinstance(given, str):
        if _ONE_WORD.fullmatch(given) and "CONFIG_" not in given:
            raise ValueError(
                f"option kconfig: {given[:60]!r} sets nothing; it takes the text of a .config, not the name of a file"
            )
        return _parse_text(given)
    if not isinstance(given, Mapping):
        raise TypeError(f"option kconfig: the text of a .config or a mapping of its values, not {type(given).__name__}")
    overlay: dict[str, str] = {}
    for name, value in given.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"option kconfig: {name!r} is no name of a configuration value, which begins with CONFIG_")
        if isinstance(value, bool):
            overlay[name] = "y" if value else "n"
        elif isinstance(value, int):
            overlay[name] = str(value)
        elif isinstance(value, str) and _VALUE.fullmatch(value) and "\n" not in value:
            overlay[name] = value
        else:
            raise ValueError(
                f"option kconfig: {name} is {value!r}; it takes True, False, a number, or what stands behind the '=' "
                "of a .config, a text with its quotes"
            )
    return overlay


def _parse_text(text: str) -> dict[str, str]:
    overlay: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.startswith("CONFIG_"):
            continue
        name, separator, value = line.rstrip("\r").partition("=")
        if not separator:
            raise ValueError(f"option kconfig, line {number}: '{line}' has no '='")
        if not value:
            raise ValueError(f"option kconfig, line {number}: '{line}' gives no value (to be n it has to say so)")
        overlay.setdefault(name, value)
    return overlay
