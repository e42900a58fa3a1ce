"""The corpus inside Debian's kernels: the same recordings as elsewhere, with the verdicts of those kernels.

Emulated CPUs are slow, so a VM gets a sample: every Nth object of each group. Modules with types of their own are
loaded first, so that both libraries meet them. What comes back is packed by gzip: the serial line is slow as well.
"""

import gzip
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.corpus.libbpf import harness, recorder
from tools.corpus.packages import Unobtainable
from tools.dev.paths import cache_dir
from tools.vm.archive import Archive
from tools.vm.kernels import Unavailable, kernel
from tools.vm.machine import run

_MODULES = "veth dummy nf_conntrack nf_nat tun"
_TIME_LIMIT = 3000
_SCRIPT = """\
mkdir -p /corpus/theirs /corpus/mine
for module in {modules}; do modprobe $module 2>/dev/null; done
cd /corpus/objects
for object in *; do
    LD_PRELOAD=/corpus/record.so timeout 120 /corpus/load $object > /corpus/theirs/$object 2>/dev/null ||
        echo '{{"kind": "died", "status": '$?'}}' >> /corpus/theirs/$object
done
cd /src
set --
for object in /corpus/objects/*; do set -- "$@" $object=/corpus/mine/${{object##*/}}; done
LD_PRELOAD=/corpus/record.so timeout {limit} python3 -m tools.corpus.side REAL "$@"
for side in theirs mine; do
    for object in /corpus/$side/*; do gzip -c $object > /run/vm/out/$side.${{object##*/}}; done
done
"""

Recordings = dict[Path, tuple[Path, Path]]


def recordings(series: str, version: str, objects: Sequence[Path], folder: Path) -> Recordings:
    """Record both libraries on `objects` in a VM: object -> (libbpf's, purebpf's) file in `folder`."""
    by_name = {f"{path.parent.name}.{path.name}": path for path in objects}
    with tempfile.NamedTemporaryFile(dir=cache_dir("corpus"), suffix=".cpio") as archive:
        _write(Path(archive.name), by_name, version)
        script = _SCRIPT.format(modules=_MODULES, limit=_TIME_LIMIT // 2)
        try:
            outcome = run(kernel(series), script, timeout=_TIME_LIMIT, extra=[Path(archive.name)])
        except Unavailable as error:
            raise Unobtainable(str(error)) from error
    if outcome.status is None:
        raise Unobtainable(f"the {series} kernel did not finish: {outcome.reason}\n{outcome.console}")
    for name, content in outcome.files.items():
        (folder / name).write_bytes(gzip.decompress(content))
    found = {path: (folder / f"theirs.{name}", folder / f"mine.{name}") for name, path in by_name.items()}
    lacking = [name for name, path in by_name.items() if not all(file.exists() for file in found[path])]
    if lacking:
        raise Unobtainable(f"the {series} kernel gave no recording of {', '.join(lacking[:5])}")
    return found


def _write(target: Path, objects: dict[str, Path], version: str) -> None:
    with target.open("wb") as out:
        archive = Archive(out)
        program = harness(version)
        archive.data("corpus/load", program.read_bytes(), mode=0o755)
        archive.data("corpus/record.so", recorder().read_bytes(), mode=0o755)
        for name, path in objects.items():
            archive.data(f"corpus/objects/{name}", path.read_bytes())
        said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
        for found in sorted(set(re.findall(r"(/\S+\.so[.0-9]*) \(0x", said))):
            archive.file(found if found.startswith("/usr/") else f"/usr{found}", Path(os.path.realpath(found)))
        archive.close()
