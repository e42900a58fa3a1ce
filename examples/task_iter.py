"""List the tasks of the system with no /proc: an iterator walks over them in the kernel and writes a line for each.

Reading the link runs SEC("iter/task") once for every task; with a process id, for the threads of that process only
(Linux 6.1). Run as root:

    python examples/task_iter.py
    python examples/task_iter.py 1
"""

import sys
from pathlib import Path

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "task_iter.bpf.o"


def main(arguments: list[str]) -> int:
    """Print what one walk over the tasks writes."""
    process = int(arguments[0]) if arguments else None
    spec = purebpf.open(OBJECT).with_programs("dump_task")
    with purebpf.load(spec) as tasks, tasks.programs["dump_task"].attach_iter(process=process) as walk:
        for line in walk:
            print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
