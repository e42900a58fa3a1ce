"""Watch a kernel function from both ends without a breakpoint: what do_unlinkat() is asked to remove, what it returns.

SEC("fentry/do_unlinkat") and SEC("fexit/do_unlinkat") are called by the function itself, through a trampoline, with
arguments that have their C types; the program at the return sees them again beside the result. Run as root, on a
kernel that is not locked down:

    python examples/fentry.py
"""

import os
import sys
import tempfile
from pathlib import Path

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "fentry.bpf.o"


def main() -> int:
    """Remove a file, and one that is not there."""
    with purebpf.attached(OBJECT, values={"my_tgid": os.getpid()}) as fentry, tempfile.TemporaryDirectory() as folder:
        victim = Path(folder, "victim")
        victim.touch()
        for _ in range(2):
            victim.unlink(missing_ok=True)
        with fentry.object.maps["events"].reader() as events:
            for event in events.batch(timeout=5):
                result = f" = {event.result}" if event.returned else ""
                print(f"{event.pid}: do_unlinkat({event.filename}){result}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (purebpf.NotSupported, purebpf.NotPermitted) as error:
        sys.exit(f"{error}")
