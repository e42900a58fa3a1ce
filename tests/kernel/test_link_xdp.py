"""XDP on a veth in a network namespace of this test."""

import socket

import pytest

from purebpf.errors import AttachTargetError
from purebpf.live.link import attach_by_section, attach_xdp
from purebpf.spec.sections import match_section
from purebpf.syscall import objects
from purebpf.uapi import LinkType, ProgramType
from tests.kernel.counting import Counter, counter
from tests.kernel.places import NetworkNamespace

XDP_PASS = 2


def send(namespace: NetworkNamespace) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(20)
        receiver.bind((namespace.address, 0))
        with namespace.peer(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", receiver.getsockname())
        assert receiver.recv(64) == b"hello"


@pytest.mark.parametrize("mode", ["", "skb", "drv"])
def test_the_program_sees_packets_while_it_is_attached(netns: NetworkNamespace, mode: str) -> None:
    with counter(ProgramType.XDP, everyone=True, result=XDP_PASS) as program:
        with attach_xdp(program, netns.device, mode=mode) as link:
            assert program.runs_again(lambda: send(netns))
            info = link.info()
            assert (info.type, info.prog_id) == (LinkType.XDP, objects.prog_info(program.fd).id)
            assert info.details == {"ifindex": netns.index}
        _nothing_more_is_seen(netns, program)


def test_a_section_leaves_the_interface_to_the_caller(netns: NetworkNamespace) -> None:
    section = match_section("xdp")
    assert section is not None
    with counter(ProgramType.XDP, everyone=True, result=XDP_PASS) as program:
        with attach_by_section(program, *section, interface=netns.index):
            assert program.runs_again(lambda: send(netns))
        with pytest.raises(AttachTargetError, match="interface="):
            attach_by_section(program, *section)


def test_detaching_leaves_a_link_that_holds_nothing(netns: NetworkNamespace) -> None:
    with (
        counter(ProgramType.XDP, everyone=True, result=XDP_PASS) as program,
        attach_xdp(program, netns.device) as link,
    ):
        link.detach()
        assert link.info().details == {"ifindex": 0}
        _nothing_more_is_seen(netns, program)


def test_a_second_program_is_refused_with_the_reason(netns: NetworkNamespace) -> None:
    with (
        counter(ProgramType.XDP, everyone=True, result=XDP_PASS) as program,
        attach_xdp(program, netns.device),
        pytest.raises(OSError, match=r"another program is on the interface \[EBUSY\]\n"),
    ):
        attach_xdp(program, netns.device)


def test_a_missing_interface_names_those_there_are(netns: NetworkNamespace) -> None:
    with counter(ProgramType.XDP, everyone=True, result=XDP_PASS) as program:
        with pytest.raises(AttachTargetError, match=f"there are .*{netns.device}"):
            attach_xdp(program, "nosuchdevice")
        with pytest.raises(AttachTargetError, match="index 99999"):
            attach_xdp(program, 99999)


def test_a_mode_of_another_name_is_a_value_error(netns: NetworkNamespace) -> None:
    with counter(ProgramType.XDP, everyone=True, result=XDP_PASS) as program, pytest.raises(ValueError, match="mode"):
        attach_xdp(program, netns.device, mode="generic")


def _nothing_more_is_seen(netns: NetworkNamespace, program: Counter) -> None:
    before = program.runs
    send(netns)
    assert program.runs == before
