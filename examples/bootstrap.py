"""Print each program start and end on the system, with its parent, exit code and duration, until Ctrl-C.

Two tracepoint programs send events through a ring buffer; `min_duration_ns` is a constant of theirs, so the
verifier removes what it makes superfluous. Run as root:

    python examples/bootstrap.py --min-duration 50
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "bootstrap.bpf.o"


def main() -> int:
    """Load, attach, and print what comes."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--min-duration", type=float, default=0, metavar="MS", help="leave out what ran for less")
    parser.add_argument("-v", "--verbose", action="store_true", help="show how the object is loaded")
    arguments = parser.parse_args()
    if arguments.verbose:
        import logging

        logging.basicConfig(level=logging.DEBUG, format="%(message)s")
    values = {"min_duration_ns": int(arguments.min_duration * 1e6)}
    with purebpf.attached(OBJECT, values=values) as bootstrap:
        print(f"{'TIME':8} {'EVENT':5} {'COMM':16} {'PID':>7} {'PPID':>7} FILENAME, OR CODE AND DURATION", flush=True)
        try:
            for event in bootstrap.object.maps["rb"]:
                print(row(event), flush=True)
        except KeyboardInterrupt:
            pass
    return 0


def row(event: Any) -> str:
    """One event as a line; names come from other processes and may hold anything, so they are escaped."""
    kind = "EXIT" if event.exit_event else "EXEC"
    if event.exit_event:
        last = f"[{event.exit_code}]" + (f" ({event.duration_ns / 1e6:.1f} ms)" if event.duration_ns else "")
    else:
        last = ascii(event.filename)[1:-1]
    who = f"{ascii(event.comm)[1:-1]:16} {event.pid:>7} {event.ppid:>7}"
    return f"{time.strftime('%H:%M:%S')} {kind:5} {who} {last}"


if __name__ == "__main__":
    sys.exit(main())
