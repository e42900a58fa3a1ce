"""Hooks of the security modules: only in a VM does a program refuse anything."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
from purebpf import AttachTargetError
from tests.kernel.conftest import IN_VM
from tests.kernel.trampolines import load_unless_locked_down

PathOf = Callable[[str], Path]


def test_a_refused_socket_is_refused_to_this_process_alone(bpf_object: PathOf) -> None:
    family = socket.AF_INET6 if IN_VM else -1
    spec = purebpf.open(bpf_object("lsm")).with_values(my_tgid=os.getpid(), family_to_refuse=family)
    made = load_unless_locked_down(spec)
    if made is None:
        return
    with made:
        with made.attach():
            if IN_VM:
                with pytest.raises(PermissionError) as caught:
                    socket.socket(socket.AF_INET6)
                assert caught.value.errno == errno.EPERM
                assert made.variables["refused"] == 1
            socket.socket(socket.AF_UNIX).close()
            Path("/proc/self/comm").read_text()
            assert made.variables["opened"] >= 1
        socket.socket(socket.AF_INET6).close()


def test_a_hook_that_is_not_there_is_refused_with_the_near_names(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("lsm")).with_program("refuse_socket", attach_to="socket_creat")
    with pytest.raises(AttachTargetError, match="did you mean 'socket_create'"):
        purebpf.plan(spec)
