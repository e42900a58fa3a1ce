"""Watch a kernel function from both ends: what do_unlinkat() is asked to remove, and what it returns.

Both programs name the function in their sections, SEC("kprobe/do_unlinkat") and SEC("kretprobe/do_unlinkat"), so
attaching needs no arguments. Run as root, on a kernel built with CONFIG_KPROBES:

    python examples/kprobe.py
"""

import os
import sys
import tempfile
from pathlib import Path

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "kprobe.bpf.o"


def main() -> int:
    """Remove a file, and one that is not there."""
    with purebpf.attached(OBJECT, values={"my_tgid": os.getpid()}) as kprobe, tempfile.TemporaryDirectory() as folder:
        victim = Path(folder, "victim")
        victim.touch()
        for _ in range(2):
            victim.unlink(missing_ok=True)
        with kprobe.object.maps["events"].reader() as events:
            for event in events.batch(timeout=5):
                if event.type.name == "EVENT_ENTRY":
                    print(f"{event.pid}: do_unlinkat({event.filename})")
                else:
                    print(f"{event.pid}: do_unlinkat() = {event.result}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except purebpf.NotSupported as error:
        sys.exit(f"{error}")
