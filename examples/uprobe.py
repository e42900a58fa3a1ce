"""Watch a function of a library, in this process only: its arguments on entry and its result on return.

The function is gnu_dev_makedev() of the C library, which takes two ints. The programs' sections, SEC("uprobe") and
SEC("uretprobe"), leave open where they belong, so each is attached by a call that says it. Run as root:

    python examples/uprobe.py
"""

import ctypes
import os
import sys
from pathlib import Path

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "uprobe.bpf.o"
LIBRARY, FUNCTION = "libc.so.6", "gnu_dev_makedev"


def main() -> int:
    """Call the function three times and show what the programs saw."""
    makedev = getattr(ctypes.CDLL(LIBRARY), FUNCTION)
    spec = purebpf.open(OBJECT).with_values(my_tgid=os.getpid())
    with (
        purebpf.load(spec) as uprobe,
        uprobe.programs["on_enter"].attach_uprobe(LIBRARY, FUNCTION, pid=os.getpid()),
        uprobe.programs["on_return"].attach_uprobe(LIBRARY, FUNCTION, pid=os.getpid(), returning=True),
        uprobe.maps["events"].reader() as events,
    ):
        for minor in range(3):
            makedev(8, minor)
        for event in events.batch(timeout=5):
            if event.type.name == "EVENT_ENTRY":
                print(f"{FUNCTION}({event.a}, {event.b})", end="")
            else:
                print(f" = {event.result}")
        print(f"{uprobe.variables['entries']} entries, {uprobe.variables['returns']} returns")
    return 0


if __name__ == "__main__":
    sys.exit(main())
