"""Socket filters on sockets of this test."""

import socket

import pytest

from purebpf.errors import AttachTargetError
from purebpf.live.link import attach_by_section, attach_socket
from purebpf.spec.sections import match_section
from purebpf.syscall import objects
from purebpf.uapi import ProgramType
from tests.kernel.counting import counter

EVERYTHING = 0x7FFFFFFF


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def test_the_program_sees_each_packet_while_it_is_attached() -> None:
    sender, receiver = pair()
    with sender, receiver, counter(ProgramType.SOCKET_FILTER, everyone=True, result=EVERYTHING) as program:
        with attach_socket(program, receiver) as link:
            sender.send(b"one")
            assert receiver.recv(10) == b"one"
            assert program.runs == 1
            assert link.info().prog_id == objects.prog_info(program.fd).id
        sender.send(b"two")
        assert receiver.recv(10) == b"two"
        assert program.runs == 1


def test_it_decides_how_much_of_a_packet_stays() -> None:
    sender, receiver = pair()
    with sender, receiver, counter(ProgramType.SOCKET_FILTER, everyone=True, result=2) as program:
        with attach_socket(program, receiver.fileno()):
            sender.send(b"three")
            assert receiver.recv(10) == b"th"
        sender.send(b"four")
        assert receiver.recv(10) == b"four"


def test_a_section_leaves_the_socket_to_the_caller() -> None:
    section = match_section("socket")
    assert section is not None
    sender, receiver = pair()
    with sender, receiver, counter(ProgramType.SOCKET_FILTER, everyone=True, result=EVERYTHING) as program:
        with attach_by_section(program, *section, socket=receiver):
            sender.send(b"one")
            assert program.runs == 1
        with pytest.raises(AttachTargetError, match="socket="):
            attach_by_section(program, *section)


def test_a_socket_closed_before_the_link_is_no_error() -> None:
    sender, receiver = pair()
    with sender, counter(ProgramType.SOCKET_FILTER, everyone=True, result=EVERYTHING) as program:
        link = attach_socket(program, receiver)
        receiver.close()
        link.close()
        with pytest.raises(OSError, match="refused"):
            sender.send(b"x")


def test_a_filter_taken_off_by_another_is_no_error() -> None:
    sender, receiver = pair()
    with sender, receiver, counter(ProgramType.SOCKET_FILTER, everyone=True, result=EVERYTHING) as program:
        with attach_socket(program, receiver):
            receiver.setsockopt(socket.SOL_SOCKET, 27, 0)
        sender.send(b"x")
        assert program.runs == 0


def test_a_program_of_another_type_is_refused_and_nothing_is_left() -> None:
    sender, receiver = pair()
    with (
        sender,
        receiver,
        counter(ProgramType.TRACEPOINT) as program,
        pytest.raises(OSError, match=r"cannot attach program 'count' to socket 'fd \d+'"),
    ):
        attach_socket(program, receiver)
