"""Iterators on the running kernel: reading what they write."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
from purebpf import BpfError, KernelError, LinkType
from purebpf.live.link import IterLink

PathOf = Callable[[str], Path]


def test_every_task_is_a_line(bpf_object: PathOf) -> None:
    with purebpf.load(purebpf.open(bpf_object("task_iter"))) as made, made.programs["dump_task"].attach() as link:
        assert isinstance(link, IterLink)
        head, *rows = list(link)
        assert head.split() == ["TID", "PID", "PPID", "COMM"]
        own = [row.split() for row in rows if row.split()[0] == str(os.getpid())]
        assert [row[1:3] for row in own] == [[str(os.getpid()), str(os.getppid())]]
        assert len(rows) > 1
        assert link.info().type is LinkType.ITER


def test_each_opening_is_a_walk_of_its_own(bpf_object: PathOf) -> None:
    with purebpf.load(purebpf.open(bpf_object("task_iter"))) as made:
        made.maps["squares"].update({3: 9, 4: 16})
        with made.programs["dump_squares"].attach_iter(map=made.maps["squares"]) as link:
            assert sorted(link) == ["3 9", "4 16"]
            del made.maps["squares"][3]
            assert link.read() == b"4 16\n"
            with link.open() as walk:
                assert walk.readline() == b"4 16\n"


def test_one_task_or_one_process_is_walked_over(bpf_object: PathOf) -> None:
    released = threading.Event()
    thread = threading.Thread(target=released.wait)
    thread.start()
    try:
        with purebpf.load(purebpf.open(bpf_object("task_iter"))) as made:
            dump = made.programs["dump_task"]
            with dump.attach_iter(task=thread.native_id) as link:
                _, row = list(link)
                assert row.split()[:2] == [str(thread.native_id), str(os.getpid())]
            with dump.attach_iter(process=os.getpid()) as link:
                found = {row.split()[0] for row in link}
                assert {str(os.getpid()), str(thread.native_id)} < found
    finally:
        released.set()
        thread.join()


def test_what_it_walks_over_must_be_there_and_be_one_thing(bpf_object: PathOf) -> None:
    with purebpf.load(purebpf.open(bpf_object("task_iter"))) as made:
        with pytest.raises(KernelError, match="give map= to iterators over the elements of one"):
            made.programs["dump_squares"].attach()
        with pytest.raises(TypeError, match="walks over one thing, not map and task"):
            made.programs["dump_task"].attach_iter(map=made.maps["squares"], task=1)
        with pytest.raises(ValueError, match="order is one of"):
            made.programs["dump_task"].attach_iter(order="sideways")


def test_a_cgroup_given_by_a_path_that_is_not_there_is_an_error(bpf_object: PathOf) -> None:
    with purebpf.load(purebpf.open(bpf_object("task_iter"))) as made, pytest.raises(BpfError) as caught:
        made.programs["dump_task"].attach_iter(cgroup="/no/such/cgroup")
    assert "No such file" in str(caught.value)
