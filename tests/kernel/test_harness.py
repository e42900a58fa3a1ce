"""The harness of the kernel tests itself: the leak check sees leaks, the namespace is a namespace."""

import os
import socket
from pathlib import Path

from tests.kernel.leftovers import Leftovers
from tests.kernel.places import NetworkNamespace


def test_an_fd_left_open_is_reported_and_a_closed_one_is_not(tmp_path: Path) -> None:
    before = Leftovers.now(whole_kernel=False)
    fd = os.open(tmp_path, os.O_RDONLY)
    left = Leftovers.now(whole_kernel=False).since(before)
    os.close(fd)
    assert left == [f"fd {fd}: {tmp_path}"]
    assert not Leftovers.now(whole_kernel=False).since(before)


def test_packets_sent_by_the_peer_arrive_at_the_device(netns: NetworkNamespace) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(20)
        receiver.bind((netns.address, 0))
        with netns.peer(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", receiver.getsockname())
        data, source = receiver.recvfrom(64)
    assert (data, source[0]) == (b"hello", netns.peer_address)


def test_the_namespace_holds_no_device_of_the_machine(netns: NetworkNamespace) -> None:
    names = {name for _, name in socket.if_nameindex()}
    assert {"lo", netns.device} <= names
    assert not any(name.startswith(("eth", "en", "wl")) for name in names)


def test_own_cgroup_is_an_empty_cgroup2(own_cgroup: Path) -> None:
    assert (own_cgroup / "cgroup.procs").read_text() == ""


def test_tracefs_holds_the_events(tracefs: Path) -> None:
    assert (tracefs / "events" / "syscalls").is_dir()


def test_bpffs_takes_folders(bpffs: Path) -> None:
    (bpffs / "inner").mkdir()
    assert (bpffs / "inner").is_dir()
