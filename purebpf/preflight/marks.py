"""Kernel functions that take only some programs: those that may sleep there, or that change what they return.

Rules: the kernel marks the functions, and neither its types nor its symbols tell which; what can be known without the
marks is told, and of the rest nothing is claimed. Functions in which errors can be injected take both, if the kernel is
built for that, and all system calls are among them; since Linux 6.3 functions can be marked otherwise as well. What
ends up at a security hook may always change what it returns; in which hooks a program may sleep is a list that the
kernels' sources have.
"""

import re
from typing import Final

from purebpf.plan.steps import LoadProgram
from purebpf.plan.target import encode_version
from purebpf.preflight.abi import Abi
from purebpf.preflight.kinds import Ages, Refusal
from purebpf.spec.sections import F_SLEEPABLE
from purebpf.uapi import AttachType, ProgramType

_ON_FUNCTIONS: Final = (AttachType.TRACE_FENTRY, AttachType.TRACE_FEXIT, AttachType.MODIFY_RETURN)
_SYSCALL: Final = re.compile("__(x64|ia32|arm64|s390x?|riscv)_(compat_)?sys_")
_SECURITY: Final = "security_"
_HOOK: Final = "bpf_lsm_"
_OTHER_MARKS: Final = encode_version("6.3")
_SERIES: Final = ("6.1", "6.12", "7.3")
# By the kernels that were read: the hooks of the security modules in which programs may sleep.
_SLEEPABLE_HOOKS: Final = (
    (
        ("6.1", "6.12", "7.3"),
        "bpf bpf_map bpf_prog bprm_check_security bprm_committed_creds bprm_committing_creds bprm_creds_for_exec "
        "bprm_creds_from_file capget capset cred_prepare file_ioctl file_lock file_open file_receive inode_create "
        "inode_free_security inode_getattr inode_getxattr inode_mknod inode_need_killpriv inode_post_setxattr "
        "inode_readlink inode_rename inode_rmdir inode_setattr inode_setxattr inode_symlink inode_unlink "
        "kernel_module_request kernel_read_file kernfs_init_security mmap_file netlink_send path_notify "
        "release_secctx sb_alloc_security sb_eat_lsm_opts sb_kern_mount sb_mount sb_remount sb_set_mnt_opts "
        "sb_show_options sb_statfs sb_umount settime socket_accept socket_bind socket_connect socket_create "
        "socket_getpeername socket_getpeersec_dgram socket_getsockname socket_getsockopt socket_listen "
        "socket_post_create socket_recvmsg socket_sendmsg socket_shutdown socket_socketpair syslog task_alloc "
        "task_prctl task_setscheduler userns_create",
    ),
    (
        ("6.1", "6.12"),
        "current_getsecid_subj task_getsecid_obj",
    ),
    (
        ("6.12", "7.3"),
        "bpf_map_create bpf_map_free bpf_prog_load bpf_token_capable bpf_token_cmd bpf_token_create bpf_token_free "
        "file_post_open path_chmod path_chown path_link path_mkdir path_rename path_rmdir path_symlink "
        "path_truncate path_unlink",
    ),
    (
        ("6.1",),
        "bpf_map_alloc_security bpf_map_free_security inet_conn_established key_free",
    ),
    (
        ("7.3",),
        "bdev_alloc_security bdev_setintegrity inode_post_removexattr inode_removexattr",
    ),
)
_WITHOUT_S: Final = "take the .s out of the section name"


def refusal(step: LoadProgram, name: str, abi: Abi, ages: Ages) -> Refusal | None:
    """Why the kernel's function `name` may not take the program of `step`; it is certain where the kernel is known."""
    sleeps = bool(step.flags & F_SLEEPABLE)
    if step.type == ProgramType.LSM and name.startswith(_HOOK) and sleeps:
        return _at_hook(name.removeprefix(_HOOK), ages)
    if step.type != ProgramType.TRACING or step.expected_attach_type not in _ON_FUNCTIONS:
        return None
    if sleeps:
        return _at_function(name, "a sleepable program can go to", abi, ages, _WITHOUT_S)
    if step.expected_attach_type == AttachType.MODIFY_RETURN and not name.startswith(_SECURITY):
        remedy = "use fexit to look without changing"
        return _at_function(name, "a program can change what is returned by", abi, ages, remedy)
    return None


def _at_function(name: str, what: str, abi: Abi, ages: Ages, remedy: str) -> Refusal | None:
    option = abi.without_injection()
    system_call = _SYSCALL.match(name) is not None
    if option and (system_call or 0 < ages.before <= _OTHER_MARKS):
        return Refusal(f"{what} '{name}' only in a kernel that is built with {option}", (), remedy)
    if system_call:
        return None
    reason = f"{what} '{name}' only if the kernel marks it for that, which its types do not tell"
    return Refusal(reason, (), remedy, certain=False)


def _at_hook(hook: str, ages: Ages) -> Refusal | None:
    sleepable = _may_sleep(hook, ages)
    if sleepable:
        return None
    reason = f"a program at hook '{hook}' of the security modules may not sleep"
    if sleepable is None:
        reason = f"whether a program at hook '{hook}' of the security modules may sleep is not known of this kernel"
    return Refusal(reason, (), _WITHOUT_S, certain=sleepable is False)


def _may_sleep(hook: str, ages: Ages) -> bool | None:
    """By the kernels nearest to the target that were read, on both sides; None where they differ, or are too old."""
    known = {series for these, hooks in _SLEEPABLE_HOOKS if hook in hooks.split() for series in these}
    if len(known) == len(_SERIES):
        return True
    versions = [(encode_version(series), series) for series in _SERIES]
    newer = [series for version, series in versions if 0 < ages.before <= version + 256]
    if not newer:
        return None
    # All releases of a series count as one.
    older = [series for version, series in versions if version <= ages.at_least]
    answers = {series in known for series in (*older[-1:], newer[0])}
    return answers.pop() if len(answers) == 1 else None
