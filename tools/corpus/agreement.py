"""What `purebpf check` says of each program of the corpus, and what a kernel does with it.

    python -m tools.corpus.agreement [--vm SERIES] [--every N] [--json FILE] [GROUP...]

prints a table and what does not agree; as root, on the running kernel or in a VM.

Rules: `check` is asked twice, of the running kernel and of nothing but its BTF file and release, as with `--btf`; then
the program is loaded alone, and never attached. What the verifier works out by following values is nothing that
`check` claims, and what this process may not do is no answer; both are counted apart. Each object has a process of its
own and a time limit, for some keep an emulated CPU busy for minutes.
"""

import argparse
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import purebpf
from purebpf.errors import BpfError, NotPermitted, ObjectFileError, VerifierError
from purebpf.plan.target import Target
from purebpf.preflight import Report, Verdict, check
from purebpf.spec.model import ObjectSpec, Pinning
from tools.corpus import objects
from tools.dev.paths import ROOT, VENV_PYTHON, cache_dir
from tools.vm.archive import Archive
from tools.vm.kernels import SERIES, kernel
from tools.vm.machine import run

NO_REASONING = re.compile(
    r"unknown func|invalid func|unknown opcode|program of this type cannot use helper|cannot call GPL-restricted"
    r"|might sleep in a non-sleepable prog|must be sleepable|can be sleepable"
    r"|calling kernel function \S+ is not allowed"
    r"|cannot call kernel function from non-GPL|must have a GPL compatible|failed to find the address for kernel symbol"
    r"|(tracing progs|socket filter progs|[Ss]leepable programs|perf_event programs) can(not| only) use"
)
"""What the verifier says of what it does not have or does not give to a program; no value need be followed for it."""

LOCKED_DOWN = "cannot use helper bpf_probe_write_user"
"""Said to programs that may call it where there is no lockdown; of what is withheld from all nothing is claimed."""

_OBJECT_SECONDS = 300
_VM_SECONDS = 5400
_MODULES = "veth dummy nf_conntrack nf_nat tun tcp_bbr tcp_dctcp tcp_cubic"


@dataclass(frozen=True, slots=True)
class Judged:
    """One program: what was said of it (`here` of the running kernel, `there` of its BTF file) and what it did.

    `did` is 'loads', 'fails', 'reasoning', 'permission' or 'died'; `words` is what the kernel said.
    """

    object: str
    program: str
    here: str
    there: str
    did: str
    words: str
    here_reason: str = ""
    there_reason: str = ""

    def wrong(self, said: str) -> bool:
        """Whether a verdict is not what became of it; UNKNOWN never is."""
        return (self.did == "fails" and said == str(Verdict.LOADS)) or (
            self.did == "loads" and said == str(Verdict.FAILS)
        )


def outcome(spec: ObjectSpec) -> tuple[str, str]:
    """What the kernel does, and its words."""
    try:
        # What a file asks to be pinned would stay behind.
        for name in [name for name, declared in spec.maps.items() if declared.pinning]:
            spec = spec.with_map(name, pinning=Pinning.NONE)
        purebpf.load(spec).close()
    except VerifierError as error:
        return _refused(error.complaint), error.complaint
    except NotPermitted as error:
        return "permission", str(error)
    except BpfError as error:
        return "fails", str(error)
    return "loads", ""


def _refused(complaint: str) -> str:
    if LOCKED_DOWN in complaint:
        return "permission"
    return "fails" if NO_REASONING.search(complaint) else "reasoning"


def judge(path: Path, here: Target, there: Target) -> Iterator[Judged]:
    """Each program of an object, alone."""
    try:
        spec = purebpf.open(path)
    except ObjectFileError:
        return
    name = f"{path.parent.name}/{path.name}"
    for program in spec.programs:
        one = spec.with_programs(program)
        here_said, there_said = check(one, here), check(one, there)
        verdicts = str(here_said.verdict), str(there_said.verdict)
        reasons = _reasons(here_said), _reasons(there_said)
        yield Judged(name, program, *verdicts, *outcome(one), *reasons)


def _reasons(report: Report) -> str:
    return "; ".join(finding.reason for finding in report.findings)


def running_as_file() -> Target:
    """The running kernel as somebody sees it who has its BTF file and knows its release."""
    return Target.from_btf("/sys/kernel/btf/vmlinux", release=os.uname().release)


def judge_all(paths: Iterable[Path], emit: int) -> None:
    """Judge each object in a child; lines go to the descriptor `emit`."""
    here, there = purebpf.running_target(), running_as_file()
    _ = here.btf, there.btf
    for path in paths:
        pid = os.fork()
        if not pid:
            signal.alarm(_OBJECT_SECONDS)
            for judged in judge(path, here, there):
                os.write(emit, json.dumps(asdict(judged)).encode() + b"\n")
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status:
            died = Judged(f"{path.parent.name}/{path.name}", "", "unknown", "unknown", "died", f"status {status}")
            os.write(emit, json.dumps(asdict(died)).encode() + b"\n")


def on_host(paths: Sequence[Path]) -> list[Judged]:
    """On the running kernel, with a file system of its own for pins."""
    script = 'mount --make-rprivate / && mount -t bpf bpf /sys/fs/bpf && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(VENV_PYTHON), "-m", "tools.corpus.agreement", "--judge"]
    done = subprocess.run([*command, *map(str, paths)], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return _read(done.stdout)


def in_vm(series: str, paths: Sequence[Path]) -> list[Judged]:
    """In Debian's kernel of a series."""
    script = (
        f"for module in {_MODULES}; do modprobe $module 2>/dev/null; done; cd /src; "
        "python3 -m tools.corpus.agreement --judge /corpus/*/*.o | gzip > /run/vm/out/judged.gz"
    )
    with tempfile.NamedTemporaryFile(dir=cache_dir("corpus"), suffix=".cpio") as file:
        archive = Archive(file)  # type: ignore[arg-type]
        for path in paths:
            archive.data(f"corpus/{path.parent.name}/{path.name}", path.read_bytes())
        archive.close()
        file.flush()
        done = run(kernel(series), script, timeout=_VM_SECONDS, extra=[Path(file.name)])
    if done.status != 0:
        raise SystemExit(f"the {series} kernel did not finish: {done.reason}\n{done.console}")
    return _read(gzip.decompress(done.files["judged.gz"]))


def _read(lines: bytes) -> list[Judged]:
    return [Judged(**json.loads(line)) for line in lines.splitlines()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge and print; 1 if something did not agree."""
    parser = argparse.ArgumentParser(prog="agreement", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"default all: {' '.join(objects.names())}")
    parser.add_argument("--vm", choices=tuple(SERIES), help="in Debian's kernel of that series, not on this one")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="a sample: every Nth object")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all that was judged, a line a program")
    parser.add_argument("--judge", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.judge:
        judge_all(map(Path, options.groups), sys.stdout.fileno())
        return 0
    paths = [path for name in options.groups or objects.names() for path in objects.group(name).objects]
    paths = paths[:: options.every]
    judged = in_vm(options.vm, paths) if options.vm else on_host(paths)
    if options.json:
        options.json.write_text("".join(json.dumps(asdict(each)) + "\n" for each in judged))
    print(summary(len(paths), judged))
    return 1 if any(each.wrong(said) for each in judged for said in (each.here, each.there)) else 0


def summary(object_count: int, judged: Sequence[Judged]) -> str:
    """How often what was said and done, and each program of which it was wrong."""
    lines = [f"{object_count} objects, {len(judged)} programs"]
    for title, said in (("running", "here"), ("BTF file", "there")):
        counts = Counter((getattr(each, said), each.did) for each in judged)
        lines += [f"  {title}: said {verdict}, {did}: {count}" for (verdict, did), count in sorted(counts.items())]
        for each in judged:
            if each.wrong(getattr(each, said)):
                words = (each.words or getattr(each, f"{said}_reason")).splitlines()
                lines.append(f"  WRONG {title} {each.object} {each.program}: {each.did}: {' / '.join(words)[:300]}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
