"""The types of loaded programs, for programs that replace or trace a function of them."""

from typing import TYPE_CHECKING

from purebpf.host import kernel_error
from purebpf.plan.target import ProgramTypes
from purebpf.syscall import objects
from purebpf.syscall.fd import Fd

if TYPE_CHECKING:
    from purebpf.btf import Btf
    from purebpf.units import HasFd


def program_types(program: "HasFd | int") -> ProgramTypes:
    """What the kernel tells of a loaded program; its types need CAP_SYS_ADMIN, for they are found by id."""
    fd = program if isinstance(program, int) else program.fileno()
    try:
        info = objects.prog_info(fd)
        name = info.name.rstrip(b"\0").decode(errors="replace")
        return ProgramTypes(name, info.id, _read_types(info.btf_id) if info.btf_id else None)
    except OSError as error:
        raise kernel_error("read the types of program", f"fd {fd}", error) from error


def _read_types(btf_id: int) -> "Btf":
    from purebpf.btf import Btf

    with Fd(objects.btf_fd_by_id(btf_id), f"BTF {btf_id}") as types:
        _, _, data = objects.btf_info(types.number, data=True)
    return Btf.parse(data, name=f"BTF {btf_id}")
