"""Facts of the kernels that the corpus is compared on: their BTF, symbols and configuration, read once in a VM."""

import fcntl
from pathlib import Path

from tools.corpus.packages import Unobtainable
from tools.dev.paths import cache_dir
from tools.vm.kernels import Unavailable, kernel
from tools.vm.machine import run

_COPY = (
    "cp /sys/kernel/btf/vmlinux /run/vm/out/vmlinux.btf && cp /proc/kallsyms /run/vm/out/kallsyms && "
    "cp /boot/config-$(uname -r) /run/vm/out/config && uname -r > /run/vm/out/release && uname -v > /run/vm/out/version"
)
_TIME_LIMIT = 300


def facts(series: str) -> Path:
    """A folder with vmlinux.btf, kallsyms, config, release and version (uname -v) of Debian's kernel of `series`."""
    folder = cache_dir("corpus", "kernels", series)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "version").exists():
            try:
                outcome = run(kernel(series), _COPY, timeout=_TIME_LIMIT)
            except Unavailable as error:
                raise Unobtainable(str(error)) from error
            if outcome.status != 0:
                raise Unobtainable(f"the {series} kernel did not give its types: {outcome.reason or outcome.console}")
            for name, content in outcome.files.items():
                (folder / name).write_bytes(content)
    return folder
