"""Load eBPF objects from Python, without libbpf.

    spec = purebpf.open("execs.bpf.o")            # what the file says; no kernel needed
    plan = purebpf.plan(spec, target)             # what a load would ask of that kernel
    with purebpf.load(spec) as execs, execs.attach():
        for event in execs.maps["events"]:        # decoded by the object's own types
            print(event.pid, event.comm)

Errors, enumerations, targets, plans and specs are here at once; the other names are loaded when first used, so that
`import purebpf` costs less than half of what starting the interpreter does.
"""

from purebpf.quick_import import imported

# With all that the next ones import, at less than Python's usual cost.
imported("purebpf.spec.model", __path__[0])

from purebpf.errors import (  # noqa: E402
    AttachTargetError,
    BpfError,
    BtfError,
    ElfError,
    KernelError,
    NotPermitted,
    NotSupported,
    ObjectFileError,
    PlanError,
    RelocationError,
    SpecError,
    UnknownFact,
    UnresolvedExtern,
    VerifierError,
)
from purebpf.plan.steps import LoadPlan  # noqa: E402
from purebpf.plan.target import Feature, Target  # noqa: E402
from purebpf.spec.model import ObjectSpec  # noqa: E402
from purebpf.uapi import AttachType, LinkType, MapType, ProgramType  # noqa: E402

# typing costs 5 ms to import; type checkers know this name anyway.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from purebpf.api import load, open, plan  # noqa: A004 (used as purebpf.open)
    from purebpf.gen.minimal import minimal_btf
    from purebpf.host.target import running_target
    from purebpf.linker.link import link_objects
    from purebpf.live.link import Link
    from purebpf.live.links import Links
    from purebpf.live.maps import Map
    from purebpf.live.object import BpfObject
    from purebpf.live.program import Program
    from purebpf.live.ringbuf import RingBuffer
    from purebpf.live.tracepipe import trace_pipe
    from purebpf.preflight.judge import check
    from purebpf.preflight.report import Finding, Report, Verdict
    from purebpf.survey import check_kernels, cut_kernels
    from purebpf.with_block import Attached, attached

__version__ = "0.1.0"

_PLACES = {
    "Attached": "with_block",
    "BpfObject": "live.object",
    "Finding": "preflight.report",
    "Link": "live.link",
    "Links": "live.links",
    "Map": "live.maps",
    "Program": "live.program",
    "Report": "preflight.report",
    "RingBuffer": "live.ringbuf",
    "Verdict": "preflight.report",
    "attached": "with_block",
    "check": "preflight.judge",
    "check_kernels": "survey",
    "cut_kernels": "survey",
    "link_objects": "linker.link",
    "load": "api",
    "minimal_btf": "gen.minimal",
    "open": "api",
    "plan": "api",
    "running_target": "host.target",
    "trace_pipe": "live.tracepipe",
}

__all__ = [
    "AttachTargetError",
    "AttachType",
    "Attached",
    "BpfError",
    "BpfObject",
    "BtfError",
    "ElfError",
    "Feature",
    "Finding",
    "KernelError",
    "Link",
    "LinkType",
    "Links",
    "LoadPlan",
    "Map",
    "MapType",
    "NotPermitted",
    "NotSupported",
    "ObjectFileError",
    "ObjectSpec",
    "PlanError",
    "Program",
    "ProgramType",
    "RelocationError",
    "Report",
    "RingBuffer",
    "SpecError",
    "Target",
    "UnknownFact",
    "UnresolvedExtern",
    "Verdict",
    "VerifierError",
    "attached",
    "check",
    "check_kernels",
    "cut_kernels",
    "link_objects",
    "load",
    "minimal_btf",
    "open",
    "plan",
    "running_target",
    "trace_pipe",
]


def load_name(name: str) -> object:
    """The public name, from the module that defines it."""
    return getattr(imported(f"purebpf.{_PLACES[name]}", __path__[0]), name)


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'purebpf' has no attribute '{name}'")
    value = load_name(name)
    # What the import itself has bound meanwhile stays: the package `plan`, which answers to the verb's name.
    return globals().setdefault(name, value)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
