"""Programs at functions of the kernel and of other programs, and at typed tracepoints."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

import purebpf
from purebpf import AttachTargetError, LinkType
from tests.kernel.conftest import IN_VM
from tests.kernel.places import NetworkNamespace
from tests.kernel.trampolines import load_unless_locked_down

PathOf = Callable[[str], Path]
PACKET = bytes(64)
XDP_DROP, XDP_PASS, XDP_TX = 1, 2, 3
DEADLINE = 20


def until(true: Callable[[], object]) -> None:
    """Sleep in small steps, which is what the programs see, until it is true."""
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


# ------------------------------------------------------------------ typed tracepoints


def test_a_typed_tracepoint_runs_the_program_while_it_is_attached(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("tp_btf")).with_values(my_tgid=os.getpid())
    with purebpf.load(spec) as made:
        with made.attach() as links:
            assert list(links) == ["on_switch"]
            until(lambda: made.variables["seen"])
            assert made.variables["last_pid"] > 0
            # Since 5.18 the link is one of tracing programs, for the kernel one of raw tracepoints all the same.
            assert links["on_switch"].info().type in (LinkType.RAW_TRACEPOINT, LinkType.TRACING)
        seen = made.variables["seen"]
        time.sleep(0.01)
        assert made.variables["seen"] == seen


def test_a_typed_tracepoint_gives_the_program_its_cookie(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("tp_btf")).with_values(my_tgid=os.getpid())
    with purebpf.load(spec) as plain:
        plain.programs["on_switch"].attach_trace(cookie=1).close()
    with purebpf.load(spec.with_programs("tell_cookie")) as made, made.programs["tell_cookie"].attach_trace(cookie=77):
        until(lambda: made.variables["cookie"])
        assert made.variables["cookie"] == 77


def test_a_tracepoint_that_is_not_there_is_refused_before_loading(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("tp_btf")).with_program("on_switch", attach_to="sched_swich")
    with pytest.raises(AttachTargetError, match="did you mean 'sched_switch'"):
        purebpf.load(spec)


# ------------------------------------------------------------------ functions of the kernel


def test_fentry_runs_at_a_function_with_its_arguments_and_its_cookie(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("fentry")).with_programs("enter_test")
    made = load_unless_locked_down(spec)
    if made is None:
        return
    with made:
        program = made.programs["enter_test"]
        with program.attach(cookie=5) as link:
            assert link.info().type is LinkType.TRACING
            program.test_run()
        assert (made.variables["entered"], made.variables["cookie"]) == (1, 5)
        program.test_run()
        assert made.variables["entered"] == 1


def test_fmod_ret_replaces_what_a_function_returns(bpf_object: PathOf) -> None:
    family = socket.AF_INET6 if IN_VM else -1
    spec = purebpf.open(bpf_object("fentry")).with_programs("replace_result")
    made = load_unless_locked_down(spec.with_values(my_tgid=os.getpid(), family_to_refuse=family))
    if made is None:
        return
    with made, made.programs["replace_result"].attach():
        with pytest.raises(PermissionError) if IN_VM else nullcontext():
            socket.socket(socket.AF_INET6).close()
        assert made.variables["entered"] == int(IN_VM)


def test_entry_and_return_of_unlink_are_seen_with_the_name_and_the_result(bpf_object: PathOf, tmp_path: Path) -> None:
    spec = purebpf.open(bpf_object("fentry")).with_values(my_tgid=os.getpid())
    made = load_unless_locked_down(spec)
    if made is None:
        return
    victim = tmp_path / "victim"
    victim.touch()
    with made, made.attach(), made.maps["events"].reader() as events:
        for _ in range(2):
            victim.unlink(missing_ok=True)
        seen = [event for event in events.batch(timeout=DEADLINE) if event.filename == str(victim)]
    assert [(event.returned, event.result) for event in seen] == [(False, 0), (True, 0), (False, 0), (True, -2)]


def test_a_function_of_a_module_is_found_in_its_types(bpf_object: PathOf, netns: NetworkNamespace) -> None:
    spec = purebpf.open(bpf_object("fentry")).with_programs("leave_anything")
    spec = spec.with_program("leave_anything", attach_to="veth:veth_close")
    if not Path("/sys/kernel/btf/veth").exists():
        return  # Built into this kernel: what is said then is tested without one.
    (step,) = purebpf.plan(spec).programs()
    assert step.attach.module == "veth"
    made = load_unless_locked_down(spec)
    if made is None:
        return
    with made, made.programs["leave_anything"].attach():
        subprocess.run(["ip", "link", "set", netns.device, "down"], check=True)
        assert made.variables["entered"] == 1


# ------------------------------------------------------------------ functions of other programs


def test_fexit_watches_another_program_return(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("freplace"))
    with purebpf.load(spec) as target:
        judge = target.programs["judge"]
        watching = spec.with_programs("after_judge").with_program("after_judge", target_program=judge)
        watcher = load_unless_locked_down(watching)
        if watcher is None:
            return
        with watcher, watcher.attach():
            assert judge.test_run(PACKET).retval == XDP_PASS
            assert watcher.variables["seen"] == XDP_PASS


def test_freplace_stands_in_for_a_function_while_its_link_lives(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("freplace"))
    with purebpf.load(spec) as target:
        judge = target.programs["judge"]
        replacing = spec.with_programs("drop_all").with_program("drop_all", target_program=judge)
        replacement = load_unless_locked_down(replacing)
        if replacement is None:
            return
        with replacement:
            program = replacement.programs["drop_all"]
            with program.attach():
                assert judge.test_run(PACKET).retval == XDP_DROP
            assert judge.test_run(PACKET).retval == XDP_PASS
            otherwise = target.programs["judge_otherwise"]
            with program.attach_freplace(otherwise, "other_verdict") as link:
                assert otherwise.test_run(PACKET).retval == XDP_DROP
                assert "judge_otherwise:other_verdict" in repr(link)
            assert otherwise.test_run(PACKET).retval == XDP_TX
            with pytest.raises(AttachTargetError, match="has no function 'third_verdict'"):
                program.attach_freplace(otherwise, "third_verdict")


def test_the_plan_names_the_target_program(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("freplace"))
    with purebpf.load(spec) as target:
        judge = target.programs["judge"]
        replacing = spec.with_programs("drop_all").with_program("drop_all", target_program=judge)
        plan = purebpf.plan(replacing)
        (step,) = plan.programs()
        assert step.attach.program is not None
        assert (step.attach.program.name, step.attach.program.id) == ("judge", judge.id)
        assert plan.to_json()["steps"][-1]["attach"]["program"] == {"name": "judge", "id": judge.id}
        misnamed = replacing.with_program("drop_all", attach_to="verdikt")
        with pytest.raises(AttachTargetError, match="did you mean 'verdict'"):
            purebpf.plan(misnamed)


# ------------------------------------------------------------------ the verifier's log


def test_the_log_of_a_program_that_loads_is_there_when_asked_for(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("tp_btf"))
    with purebpf.load(spec) as silent:
        assert silent.programs["on_switch"].log == ""
    with purebpf.load(spec, log_level=2, log_size=200) as verbose:
        log = verbose.programs["on_switch"].log
        assert "0: " in log
        assert "processed" in log
    with purebpf.load(spec.with_program("on_switch", log_level=4)) as counted:
        assert "processed" in counted.programs["on_switch"].log
