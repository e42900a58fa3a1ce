"""What a plan knows of the kernel it is made for.

A `Target` is a frozen description. What is expensive to find out (a feature of the running kernel, its 5 MB of
BTF, its modules, symbols and configuration) stands in it as a callable that remembers its answer, so that nothing is
probed or read that no object asked for. This module touches no kernel: `purebpf.host.target` fills in those callables
for the running one, and `Target.from_btf` describes any kernel by its BTF file.

Two sets of types: `btf` and `modules()` are the kernel's own, in which the ids count that a program names (attach
targets, kernel functions and variables); `core_btf` and `core_modules()` are what CO-RE adapts accesses to. They are
the same unless the user gave types for CO-RE.
"""

from __future__ import annotations

from purebpf.enums import Enum
from purebpf.errors import BtfError, KernelError, NotSupported, UnknownFact
from purebpf.frozen import Frozen, field, replace
from purebpf.standard import Mapping, remembered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from os import PathLike

    from purebpf.btf import Btf
    from purebpf.plan.btf_file import Source
    from purebpf.relocate.kernel_facts import Kconfig, Symbols
    from purebpf.units import ByteOrder, HasFd


class Feature(Enum):
    """An ability of a kernel on which a plan depends: `.text`, and for messages `.since` and `.config`."""

    PROG_NAME = ("names of programs and maps", "4.15")
    GLOBAL_DATA = ("global variables", "5.2")
    PERCPU_DATA = ('global variables of each CPU (SEC(".percpu"))', "7.3")
    BTF = ("type information (BTF) of programs", "4.18")
    BTF_FUNC = ("BTF of functions", "5.0")
    BTF_DATASEC = ("BTF of global variables", "5.2")
    BTF_GLOBAL_FUNC = ("BTF linkage of functions", "5.6")
    BTF_FLOAT = ("BTF of floating-point types", "5.13")
    BTF_DECL_TAG = ("BTF declaration tags", "5.16")
    BTF_TYPE_TAG = ("BTF type tags", "5.17")
    BTF_ENUM64 = ("BTF of 64-bit enumerations", "6.0")
    BTF_QMARK_DATASEC = ("BTF data sections with '?' in their name", "6.9")
    BTF_LAYOUT = ("the layout section of BTF", "7.1")
    ARRAY_MMAP = ("array maps in a process's memory", "5.5")
    EXP_ATTACH_TYPE = ("the expected attach type of a program", "4.17")
    PROBE_READ_KERNEL = ("bpf_probe_read_kernel() and its siblings", "5.5")
    PROG_BIND_MAP = ("binding a map to a program", "5.10")
    MODULE_BTF = ("BTF of kernel modules", "5.11")
    PERF_LINK = ("links to perf events", "5.15")
    MEMCG_ACCOUNT = ("accounting of BPF memory by cgroup", "5.11")
    BPF_COOKIE = ("BPF cookies", "5.15")
    ARG_CTX_TAG = ("contexts of global functions told by a tag", "6.8")
    UPROBE_MULTI_LINK = ("links to many uprobes at once", "6.6", "CONFIG_UPROBES")
    ARENA = ("arenas", "6.9")
    LDIMM64_OFFSET = ("offsets beyond 512 MiB into a map's value", "7.0")
    INSN_ARRAY = ("jump tables (maps of type insn_array)", "6.19")
    SYSCALL_WRAPPER = ("system calls that take their arguments as a struct pt_regs", "4.17")

    def __init__(self, text: str, since: str, config: str | None = None) -> None:
        self.text = text
        self.since = since
        self.config = config


FEATURES_OF_TYPES = (
    Feature.BTF,
    Feature.BTF_FUNC,
    Feature.BTF_GLOBAL_FUNC,
    Feature.BTF_DATASEC,
    Feature.BTF_QMARK_DATASEC,
    Feature.BTF_FLOAT,
    Feature.BTF_DECL_TAG,
    Feature.BTF_TYPE_TAG,
    Feature.BTF_ENUM64,
)
"""What a kernel has that takes any types but those with a layout section as they are."""

_VIRTUAL = {
    "LINUX_HAS_BPF_COOKIE": Feature.BPF_COOKIE,
    "LINUX_HAS_SYSCALL_WRAPPER": Feature.SYSCALL_WRAPPER,
}


class ModuleTypes(Frozen):
    """A kernel module that has BTF: `.btf` reads it, split, with the kernel's as its base."""

    name: str
    read_btf: Callable[[], Btf] = field(repr=False, compare=False)

    @property
    def btf(self) -> Btf:
        """The module's types; `BtfError` if they are damaged."""
        return self.read_btf()


class ProgramTypes(Frozen):
    """A loaded program, for one that is to replace or trace a function of it; no types if it was loaded without.

    `name` is the kernel's, of at most 15 characters.
    """

    name: str
    id: int
    btf: Btf | None = field(repr=False, compare=False)


def _no_symbols() -> Symbols:
    raise UnknownFact(
        "the description of the target does not tell the addresses of the kernel's symbols",
        remedy="plan for the running kernel, or give them: Target.from_btf(..., symbols={name: address})",
    )


def _no_programs(_: HasFd | int) -> ProgramTypes:
    raise UnknownFact(
        "the description of the target tells nothing of loaded programs",
        remedy="what goes to a loaded program can only be planned for the running kernel",
    )


def _no_kconfig() -> Kconfig:
    raise UnknownFact(
        "the description of the target does not tell the kernel's configuration",
        remedy="give it with the option kconfig, as text or as a mapping: kconfig='CONFIG_HZ=250'",
    )


RUNNING = "the running kernel"
"""The name of the target that is this machine's kernel."""


class Target(Frozen):
    """One kernel. `kernel_version` is encoded as the kernel's KERNEL_VERSION() does.

    `features` is a mapping, in which a feature that is not named is taken to be there, or a function. What begins
    with `read_` may be slow the first time and is not the second. `read_btf` gives the kernel's BTF, None where it has
    none; `read_core_btf` other types for CO-RE.
    """

    name: str
    release: str
    kernel_version: int
    byteorder: ByteOrder
    page_size: int = 4096
    possible_cpus: int = 1
    features: Mapping[Feature, bool] | Callable[[Feature], bool] = field(default_factory=dict, repr=False)
    read_btf: Callable[[], Btf | None] = field(default=lambda: None, repr=False, compare=False)
    read_modules: Callable[[], Sequence[ModuleTypes]] = field(default=tuple, repr=False, compare=False)
    read_core_btf: Callable[[], Btf] | None = field(default=None, repr=False, compare=False)
    read_kconfig: Callable[[], Kconfig] = field(default=_no_kconfig, repr=False, compare=False)
    read_symbols: Callable[[], Symbols] = field(default=_no_symbols, repr=False, compare=False)
    program_types: Callable[[HasFd | int], ProgramTypes] = field(default=_no_programs, repr=False, compare=False)

    def supports(self, feature: Feature) -> bool:
        """Whether the kernel has `feature`.

        For the running kernel the first question probes it, and raises `NotPermitted` rather than guess where
        this process may not even try.
        """
        if callable(self.features):
            return self.features(feature)
        return self.features.get(feature, True)

    @property
    def btf(self) -> Btf | None:
        """The kernel's own types, None where it was built without CONFIG_DEBUG_INFO_BTF."""
        return self.read_btf()

    @property
    def core_btf(self) -> Btf | None:
        """The types to which CO-RE adapts accesses: those the user gave, else the kernel's own."""
        return self.read_core_btf() if self.read_core_btf is not None else self.btf

    def modules(self) -> Iterator[ModuleTypes]:
        """The kernel's modules that have types, each read when its turn comes; a damaged one costs a warning."""
        for module in self.read_modules():
            try:
                _ = module.btf
            except (BtfError, KernelError) as error:
                from warnings import warn

                text = f"the types of kernel module '{module.name}' cannot be read and are left out: {error}"
                warn(text, RuntimeWarning, stacklevel=2)
            else:
                yield module

    def core_modules(self) -> Iterator[ModuleTypes]:
        """As `modules`, for CO-RE: none where the user gave the types, which then are all there are."""
        return self.modules() if self.read_core_btf is None else iter(())

    def configuration(self) -> Kconfig:
        """The kernel's configuration (`.value("CONFIG_HZ")`), with what the user says instead before it."""
        return self.read_kconfig()

    def virtual_kconfig(self, name: str) -> int | None:
        """The value of a 'LINUX_...' that is in no .config; None for a name that nobody knows."""
        if name == "LINUX_KERNEL_VERSION":
            if not self.kernel_version:
                raise UnknownFact("the description of the target does not tell the kernel's version",
                                  remedy="give it: Target.from_btf(..., release='6.12.1')")  # fmt: skip
            return self.kernel_version
        feature = _VIRTUAL.get(name)
        return int(self.supports(feature)) if feature is not None else None

    def symbols(self) -> Symbols:
        """The kernel's symbols and their addresses."""
        return self.read_symbols()

    def require_btf(self, needed_by: str) -> Btf:
        """The kernel's types; `NotSupported` naming what needs them where there are none."""
        btf = self.btf
        if btf is None:
            raise NotSupported(
                "reading its types (BTF)", config="CONFIG_DEBUG_INFO_BTF", evidence=(f"needed by {needed_by}",)
            )
        return btf

    def with_core_btf(self, btf: Btf) -> Target:
        """The same kernel, with `btf` as all the types that CO-RE knows."""
        return replace(self, read_core_btf=lambda: btf)

    def with_kconfig(self, given: str | Mapping[str, object]) -> Target:
        """The same kernel, with other values of its configuration: text of a .config or a mapping of names to values.

        What `given` does not name is the kernel's. ValueError for what is no configuration.
        """
        from purebpf.plan.kconfig import OverlaidConfig, is_whole, parse_overlay

        config = OverlaidConfig(parse_overlay(given), self.read_kconfig, is_whole(given))
        return replace(self, read_kconfig=lambda: config)

    @classmethod
    def from_btf(
        cls,
        source: Source | Btf,
        *,
        release: str = "",
        name: str | None = None,
        page_size: int = 4096,
        possible_cpus: int = 1,
        features: Mapping[Feature, bool] | None = None,
        modules: Mapping[str, Source] | Iterable[str | PathLike[str]] = (),
        kconfig: str | Mapping[str, object] | None = None,
        symbols: Mapping[str, int] | None = None,
    ) -> Target:
        """Describe the kernel whose BTF stands in `source`, a path or the bytes; raises `BtfError`.

        `source` is raw BTF or an ELF image with a section .BTF (vmlinux), or types that were read already. `release` is
        its `uname -r`, for what depends on the version. A feature that `features` does not name is there if the release
        is as new as the first kernel that had it; without a release it is taken to be there. `modules` are files of the
        same two forms, by name or named after the file; `kconfig` is the text of its .config, or a mapping; `symbols`
        are the addresses of its symbols. What is not given is an `UnknownFact` when an object asks for it.
        """
        from purebpf.btf import Btf
        from purebpf.plan.btf_file import byteorder_of, contents, read_btf_file

        if isinstance(source, Btf):
            label = source.name
            byteorder, read_btf = source.byteorder, remembered(lambda: source)
        else:
            data, label = contents(source)
            byteorder, read_btf = byteorder_of(data), remembered(lambda: read_btf_file(data, name=label))
        named = modules.items() if isinstance(modules, Mapping) else ((_module_name(path), path) for path in modules)
        given = tuple(ModuleTypes(module, _module_reader(file, read_btf)) for module, file in named)
        made = cls(
            name=name if name is not None else release or label,
            release=release,
            kernel_version=encode_version(release),
            byteorder=byteorder,
            page_size=page_size,
            possible_cpus=possible_cpus,
            features={**_features_of(release), **(features or {})},
            read_btf=read_btf,
            read_modules=lambda: given,
        )
        if symbols is not None:
            made = replace(made, read_symbols=lambda: GivenSymbols(symbols))
        return made if kconfig is None else replace(made, read_kconfig=lambda: _given_kconfig(kconfig))


class GivenSymbols(Frozen):
    """The symbols of a kernel that is described, by name."""

    known: Mapping[str, int]

    def addresses(self, name: str) -> tuple[int, ...]:
        """Where the symbol of that name lies; () for none."""
        return (self.known[name],) if name in self.known else ()

    def did_you_mean(self, name: str) -> list[str]:
        """A line of evidence naming symbols like `name`, or none."""
        from purebpf.near import did_you_mean

        return did_you_mean(name, self.known)


def _module_name(path: str | PathLike[str]) -> str:
    """'nf_nat' of '.../nf-nat.ko.debug': the kernel's name of a module has no hyphens."""
    return str(path).replace("\\", "/").rpartition("/")[2].partition(".")[0].replace("-", "_")


def _module_reader(file: Source, base: Callable[[], Btf]) -> Callable[[], Btf]:
    return remembered(lambda: _read_module(file, base))


def _read_module(file: Source, base: Callable[[], Btf]) -> Btf:
    from purebpf.plan.btf_file import read_btf_file

    return read_btf_file(file, base=base())


def _given_kconfig(given: str | Mapping[str, object]) -> Kconfig:
    from purebpf.plan.kconfig import ConfigText, parse_overlay

    lines = (f"{name}={value}\n" for name, value in parse_overlay(given).items())
    return ConfigText("".join(lines).encode("utf-8", "surrogateescape"), "the configuration that was given")


def _features_of(release: str) -> dict[Feature, bool]:
    """What a kernel of that release has by its age; a distribution may have brought more to an old one."""
    version = encode_version(release)
    return {feature: version >= encode_version(feature.since) for feature in Feature} if version else {}


def encode_version(release: str) -> int:
    """KERNEL_VERSION() of a release such as '6.1.0-9-amd64'; 0 for a text that starts with no version.

    The last number has 8 bits: the kernel stops at 255 (4.14.256 and 4.9.256 had not the room), and so does this.
    """
    major, _, rest = release.partition(".")
    minor = _leading_digits(rest)
    patch = _leading_digits(rest[len(minor) + 1 :]) if rest[len(minor) :].startswith(".") else ""
    if not minor or not (major.isascii() and major.isdigit()) or len(major) > _MOST_DIGITS:
        return 0
    return (int(major) << 16) | (min(int(minor), 255) << 8) | min(int(patch or 0), 255)


def _leading_digits(text: str) -> str:
    text = text[:_MOST_DIGITS]
    return text[: len(text) - len(text.lstrip("0123456789"))]


_MOST_DIGITS = 4
