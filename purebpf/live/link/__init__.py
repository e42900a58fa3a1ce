"""Programs on hooks: a file a hook, each with one `attach_...` call that gives a `Link`.

A hook is loaded when it is first used: a script that attaches one tracepoint need not read how uprobes are found.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from purebpf.live.link.base import AttachableProgram, Link, LinkInfo, read_link_info
    from purebpf.live.link.events import EventLink, Mode
    from purebpf.live.link.iter import IterLink, attach_iter
    from purebpf.live.link.kprobe import attach_kprobe
    from purebpf.live.link.lsm import attach_lsm
    from purebpf.live.link.multi import attach_kprobe_multi, attach_uprobe_multi
    from purebpf.live.link.perf_event import PerfEvent, attach_perf_event
    from purebpf.live.link.raw_tracepoint import attach_raw_tracepoint
    from purebpf.live.link.sections import attach_by_section
    from purebpf.live.link.socket_filter import SocketLink, attach_socket
    from purebpf.live.link.trace import attach_freplace, attach_trace
    from purebpf.live.link.tracepoint import attach_tracepoint
    from purebpf.live.link.uprobe import attach_uprobe
    from purebpf.live.link.xdp import attach_xdp

__all__ = [
    "AttachableProgram",
    "EventLink",
    "IterLink",
    "Link",
    "LinkInfo",
    "Mode",
    "PerfEvent",
    "SocketLink",
    "attach_by_section",
    "attach_freplace",
    "attach_iter",
    "attach_kprobe",
    "attach_kprobe_multi",
    "attach_lsm",
    "attach_perf_event",
    "attach_raw_tracepoint",
    "attach_socket",
    "attach_trace",
    "attach_tracepoint",
    "attach_uprobe",
    "attach_uprobe_multi",
    "attach_xdp",
    "read_link_info",
]

_HOMES = {
    "AttachableProgram": "base",
    "EventLink": "events",
    "IterLink": "iter",
    "Link": "base",
    "LinkInfo": "base",
    "Mode": "events",
    "PerfEvent": "perf_event",
    "SocketLink": "socket_filter",
    "attach_by_section": "sections",
    "attach_freplace": "trace",
    "attach_iter": "iter",
    "attach_kprobe": "kprobe",
    "attach_kprobe_multi": "multi",
    "attach_lsm": "lsm",
    "attach_perf_event": "perf_event",
    "attach_raw_tracepoint": "raw_tracepoint",
    "attach_socket": "socket_filter",
    "attach_trace": "trace",
    "attach_tracepoint": "tracepoint",
    "attach_uprobe": "uprobe",
    "attach_uprobe_multi": "multi",
    "attach_xdp": "xdp",
    "read_link_info": "base",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(__import__(f"{__name__}.{home}", fromlist=(name,)), name)
    globals()[name] = value
    return value
