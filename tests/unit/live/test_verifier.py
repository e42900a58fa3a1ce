"""One verdict a file: the logs were taken from Linux 6.1, 6.12 (Debian) and 6.18 loading small bad programs."""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from purebpf.live.verifier import CORE_POISON, Poison, Verdict, explain, poisoned_access
from purebpf.live.verifier_hints import hints_for
from purebpf.relocate.patch import POISON

LOGS = Path(__file__).parents[2] / "data" / "logs"


@dataclass(frozen=True)
class Expected:
    """A verdict; `hint` is how the first remedy begins."""

    complaint: list[str]
    insn: int | None
    source: str | None
    hint: str


EXPECTED: dict[str, Expected] = {
    "back_edge-6.1": Expected(["back-edge from insn 3 to 1"], 3, None, "the verifier sees no end to the loop"),
    "core_poison-6.18": Expected(
        [
            "1: (85) call unknown#195896080",
            "CO-RE made this instruction invalid: what it accesses is not the same in this kernel",
        ],
        1,
        None,
        "",
    ),
    "falls_off_the_end-6.18": Expected(
        ["last insn is not an exit or jmp"], None, None, "the code is cut or joined wrongly"
    ),
    "global_function_argument-6.18": Expected(
        ["6: (79) r0 = *(u64 *)(r1 +0)", "R1 invalid mem access 'mem_or_null'"],
        6,
        "global_function_argument.bpf.c:4  return *value;",
        "the pointer may be NULL",
    ),
    "gpl_only_helper-6.18": Expected(
        ["3: (85) call bpf_trace_printk#6", "cannot call GPL-restricted function from non-GPL compatible program"],
        3,
        'gpl_only_helper.bpf.c:5  bpf_printk("hello");',
        "the helper is for GPL-compatible programs only",
    ),
    "helper_of_other_type-6.1": Expected(
        ["1: (85) call bpf_get_current_pid_tgid#14", "unknown func bpf_get_current_pid_tgid#14"],
        1,
        "return bpf_get_current_pid_tgid() & 1 ? XDP_PASS : (bpf_override_return((void *)ctx, 1), XDP_PASS);",
        "this program type may not call the helper (or the kernel i",
    ),
    "helper_of_other_type-6.12": Expected(
        ["6: (85) call bpf_override_return#58", "program of this type cannot use helper bpf_override_return#58"],
        6,
        "unknown_func_for_type.bpf.c:5  return bpf_get_current_pid_tgid() & 1 ? XDP_PASS : "
        "(bpf_override_return((void *)ctx, 1), XDP_PASS);",
        "this program type may not call the helper (or the kernel i",
    ),
    "helper_of_other_type-6.18": Expected(
        ["6: (85) call bpf_override_return#58", "program of this type cannot use helper bpf_override_return#58"],
        6,
        "unknown_func_for_type.bpf.c:5  return bpf_get_current_pid_tgid() & 1 ? XDP_PASS : "
        "(bpf_override_return((void *)ctx, 1), XDP_PASS);",
        "this program type may not call the helper (or the kernel i",
    ),
    "infinite_loop-6.1": Expected(
        ["2: (61) r1 = *(u32 *)(r10 -4)", "infinite loop detected at insn 2"],
        2,
        "x++;",
        "the verifier sees no end to the loop",
    ),
    "infinite_loop-6.12": Expected(
        ["2: (61) r1 = *(u32 *)(r10 -4)", "infinite loop detected at insn 2"],
        2,
        "infinite_loop.bpf.c:7  x++;",
        "the verifier sees no end to the loop",
    ),
    "infinite_loop-6.18": Expected(
        ["2: (61) r1 = *(u32 *)(r10 -4)", "infinite loop detected at insn 2"],
        2,
        "infinite_loop.bpf.c:7  x++;",
        "the verifier sees no end to the loop",
    ),
    "invalid_ctx_access-6.1": Expected(
        ["0: (61) r0 = *(u32 *)(r1 +200)", "invalid bpf_context access off=200 size=4"],
        0,
        "return *(int *)((char *)ctx + 200);",
        "this program type cannot access that place in its context,",
    ),
    "invalid_ctx_access-6.18": Expected(
        ["0: (61) r0 = *(u32 *)(r1 +200)", "invalid bpf_context access off=200 size=4"],
        0,
        "invalid_ctx_access.bpf.c:5  return *(int *)((char *)ctx + 200);",
        "this program type cannot access that place in its context,",
    ),
    "jump_out_of_range-6.18": Expected(
        ["jump out of range from insn 1 to 9"], 1, None, "the code is cut or joined wrongly"
    ),
    "kfunc_not_allowed-6.18": Expected(
        ["2: (85) call bpf_task_from_pid#65872", "calling kernel function bpf_task_from_pid is not allowed"],
        2,
        "kfunc_not_allowed.bpf.c:6  struct task_struct *task = bpf_task_from_pid(1);",
        "this program type may not call that kernel function",
    ),
    "kfunc_poison-6.18": Expected(
        [
            "1: (85) call unknown#2002000001",
            "this instruction calls a kernel function (extern number 1) that the kernel does not have",
        ],
        1,
        None,
        "",
    ),
    "map_poison-6.18": Expected(
        ["1: (85) call unknown#2001000003", "this instruction uses map number 3, which was not created"], 1, None, ""
    ),
    "map_value_or_null-6.1": Expected(
        ["7: (79) r1 = *(u64 *)(r0 +0)", "R0 invalid mem access 'map_value_or_null'"],
        7,
        None,
        "the pointer may be NULL",
    ),
    "map_value_or_null-6.18": Expected(
        ["7: (79) r1 = *(u64 *)(r0 +0)", "R0 invalid mem access 'map_value_or_null'"],
        7,
        "map_value_or_null.bpf.c:8  *value += 1;",
        "the pointer may be NULL",
    ),
    "map_value_size-6.18": Expected(
        [
            "9: (7b) *(u64 *)(r0 +8) = r1",
            "invalid access to map value, value_size=8 off=8 size=8",
            "R0 min value is outside of the allowed memory range",
        ],
        9,
        "map_value_size.bpf.c:9  value[1] = 1;",
        "the offset may lie outside the memory",
    ),
    "missing_tracepoint_argument-6.18": Expected(
        [
            "0: (79) r0 = *(u64 *)(r1 +56)",
            "func 'task_newtask' doesn't have 5-th argument",
            "invalid bpf_context access off=56 size=8",
        ],
        0,
        "too_many_arguments_of_probe.bpf.c:5  return ctx[7];",
        "this program type cannot access that place in its context,",
    ),
    "packet_bounds-6.1": Expected(
        [
            "1: (71) r1 = *(u8 *)(r1 +13)",
            "invalid access to packet, off=13 size=1, R1(id=0,off=13,r=0)",
            "R1 offset is outside of the packet",
        ],
        1,
        "return data[13] == 8 ? XDP_PASS : XDP_ABORTED;",
        "compare the packet pointer plus the size of the access wit",
    ),
    "packet_bounds-6.12": Expected(
        [
            "1: (71) r1 = *(u8 *)(r1 +13)",
            "invalid access to packet, off=13 size=1, R1(id=0,off=13,r=0)",
            "R1 offset is outside of the packet",
        ],
        1,
        "packet_bounds.bpf.c:7  return data[13] == 8 ? XDP_PASS : XDP_ABORTED;",
        "compare the packet pointer plus the size of the access wit",
    ),
    "packet_bounds-6.18": Expected(
        [
            "1: (71) r1 = *(u8 *)(r1 +13)",
            "invalid access to packet, off=13 size=1, R1(id=0,off=13,r=0)",
            "R1 offset is outside of the packet",
        ],
        1,
        "packet_bounds.bpf.c:7  return data[13] == 8 ? XDP_PASS : XDP_ABORTED;",
        "compare the packet pointer plus the size of the access wit",
    ),
    "pointer_arithmetic-6.1": Expected(
        ["2: (2c) w0 *= w2", "R0 pointer *= pointer prohibited"],
        2,
        "u64 sum = (u64)data * (u64)end;",
        "pointers allow only adding and subtracting numbers",
    ),
    "pointer_arithmetic-6.18": Expected(
        ["2: (2c) w0 *= w2", "R0 pointer *= pointer prohibited"],
        2,
        "pointer_arithmetic.bpf.c:6  u64 sum = (u64)data * (u64)end;",
        "pointers allow only adding and subtracting numbers",
    ),
    "read_uninitialized_stack-6.1": Expected(
        ["4: (85) call bpf_map_lookup_elem#1", "invalid indirect read from stack R2 off -4+0 size 4"],
        4,
        None,
        "initialise the whole variable, padding included, before it",
    ),
    "read_uninitialized_stack-6.12": Expected(
        ["4: (85) call bpf_map_lookup_elem#1", "invalid indirect read from stack R2 off -4+0 size 4"],
        4,
        None,
        "initialise the whole variable, padding included, before it",
    ),
    "readonly_map-6.18": Expected(
        ["3: (63) *(u32 *)(r1 +4) = r2", "write into map forbidden, value_size=16 off=4 size=4"],
        3,
        "readonly_map.bpf.c:8  p[1] = 5;",
        "the memory is read-only",
    ),
    "reference_leak-6.1": Expected(
        ["9: (95) exit", "Unreleased reference id=2 alloc_insn=4"],
        9,
        None,
        "what was acquired (a ring-buffer record, a socket, a task)",
    ),
    "reference_leak-6.18": Expected(
        [
            "9: (95) exit",
            "Unreleased reference id=2 alloc_insn=4",
            "BPF_EXIT instruction in main prog would lead to reference leak",
        ],
        9,
        "reference_leak.bpf.c:11  }",
        "what was acquired (a ring-buffer record, a socket, a task)",
    ),
    "release_of_borrowed_task-6.18": Expected(
        [
            "1: (85) call bpf_task_release#65882",
            "release kernel function bpf_task_release expects refcounted PTR_TO_BTF_ID",
        ],
        1,
        "tracing_probe_missing_release.bpf.c:6  bpf_task_release(task);",
        "the pointer is not one the program holds",
    ),
    "return_range-6.1": Expected(
        ["1: (95) exit", "At program exit the register R0 has value (0x7; 0x0) should have been in (0x0; 0x1)"],
        1,
        "return 7;",
        "the return value must be one that this program type allows",
    ),
    "return_range-6.12": Expected(
        ["1: (95) exit", "At program exit the register R0 has smin=7 smax=7 should have been in [0, 1]"],
        1,
        "return_range.bpf.c:5  return 7;",
        "the return value must be one that this program type allows",
    ),
    "return_range-6.18": Expected(
        ["1: (95) exit", "At program exit the register R0 has smin=7 smax=7 should have been in [0, 1]"],
        1,
        "return_range.bpf.c:5  return 7;",
        "the return value must be one that this program type allows",
    ),
    "spin_lock_held-6.18": Expected(
        ["15: (95) exit", "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region"],
        15,
        "spin_lock_held.bpf.c:13  }",
        "release the lock on every path, and call nothing but what ",
    ),
    "stack_limit-6.18": Expected(
        ["combined stack size of 2 calls is 608. Too large"],
        None,
        None,
        "a program and the functions it calls share 512 bytes of st",
    ),
    "stack_out_of_bounds-6.18": Expected(
        ["1: (7b) *(u64 *)(r10 -520) = r0", "invalid write to stack R10 off=-520 size=8"],
        1,
        None,
        "a program and the functions it calls share 512 bytes of st",
    ),
    "task_leak-6.18": Expected(
        [
            "6: (95) exit",
            "Unreleased reference id=2 alloc_insn=1",
            "BPF_EXIT instruction in main prog would lead to reference leak",
        ],
        6,
        "kfunc_wrong_type.bpf.c:4  int BPF_PROG(count, struct task_struct *task, u64 flags)",
        "what was acquired (a ring-buffer record, a socket, a task)",
    ),
    "too_complex-6.18": Expected(
        ["3: (0c) w0 += w1", "BPF program is too large. Processed 1000001 insn"],
        3,
        "too_complex.bpf.c:7  n += i;",
        "the verifier walked a million instructions",
    ),
    "unbounded_memory-6.18": Expected(
        ["5: (61) r0 = *(u32 *)(r2 +0)", "R2 unbounded memory access, make sure to bounds check any such access"],
        5,
        "unbounded_memory.bpf.c:6  return table[ctx->ingress_ifindex];",
        "the offset may lie outside the memory",
    ),
    "uninitialized_register-6.1": Expected(
        ["0: (95) exit", "R0 !read_ok"], 0, None, "the register has no value on some path to this place"
    ),
    "uninitialized_register-6.18": Expected(
        ["0: (95) exit", "R0 !read_ok"], 0, None, "the register has no value on some path to this place"
    ),
    "unreachable-6.18": Expected(["unreachable insn 2"], 2, None, "some instructions cannot be reached from the entry"),
    "untrusted_pointer-6.1": Expected(
        ["1: (79) r0 = *(u64 *)(r1 +128)", "R1 invalid mem access 'scalar'"],
        1,
        "return regs->ip;",
        "the verifier takes the value for a number, not a pointer",
    ),
    "untrusted_pointer-6.18": Expected(
        ["1: (79) r0 = *(u64 *)(r1 +128)", "R1 invalid mem access 'scalar'"],
        1,
        "untrusted_pointer.bpf.c:7  return regs->ip;",
        "the verifier takes the value for a number, not a pointer",
    ),
    "wrong_helper_argument-6.1": Expected(
        ["8: (85) call bpf_map_update_elem#2", "R2 type=ctx expected=fp, pkt, pkt_meta, map_key, map_value"],
        8,
        None,
        "the argument is of the wrong kind",
    ),
    "wrong_helper_argument-6.18": Expected(
        [
            "8: (85) call bpf_map_update_elem#2",
            "R2 type=ctx expected=fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_",
        ],
        8,
        "wrong_helper_argument.bpf.c:7  return bpf_map_update_elem(&counts, ctx, &value, BPF_ANY);",
        "the argument is of the wrong kind",
    ),
}


def log(name: str) -> str:
    return (LOGS / f"{name}.log").read_text()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_log_gets_its_verdict(name: str) -> None:
    verdict = explain(log(name))
    expected = EXPECTED[name]
    assert verdict.complaint.splitlines() == expected.complaint
    assert (verdict.insn, verdict.source) == (expected.insn, expected.source)
    assert bool(verdict.hints) == bool(expected.hint)
    assert not verdict.hints or verdict.hints[0].startswith(expected.hint)


def test_every_log_has_an_expectation() -> None:
    assert {path.stem for path in LOGS.glob("*.log")} == set(EXPECTED)


def test_statistics_and_states_are_never_the_complaint() -> None:
    for name in EXPECTED:
        for line in explain(log(name)).complaint.splitlines():
            assert not line.startswith(("processed", "R1=", "cur state", "; "))


@pytest.mark.parametrize(
    ("name", "poison"),
    [
        ("core_poison-6.18", Poison("core", 0)),
        ("map_poison-6.18", Poison("map", 3)),
        ("kfunc_poison-6.18", Poison("kfunc", 1)),
    ],
)
def test_an_instruction_that_the_loader_made_invalid_is_reported_as_that(name: str, poison: Poison) -> None:
    assert explain(log(name)).poison == poison


def test_a_helper_number_near_the_poison_is_an_ordinary_unknown_helper() -> None:
    for number in (CORE_POISON + 1, 2000999999, 2003000000, 9999):
        verdict = explain(f"0: (85) call unknown#{number}\ninvalid func unknown#{number}\n")
        assert verdict.poison is None
        assert verdict.complaint.endswith(f"invalid func unknown#{number}")


def test_the_objects_line_info_is_preferred_to_the_logs_comment() -> None:
    asked: list[int] = []

    def line_of(insn: int) -> str | None:
        asked.append(insn)
        return "trace.bpf.c:8  *value += 1;"

    assert explain(log("map_value_or_null-6.1"), line_of).source == "trace.bpf.c:8  *value += 1;"
    assert asked == [7]
    assert explain(log("map_value_or_null-6.18"), lambda insn: None).source == "map_value_or_null.bpf.c:8  *value += 1;"


def test_a_global_function_is_said_to_be_verified_on_its_own() -> None:
    assert any("global function" in hint for hint in explain(log("global_function_argument-6.18")).hints)
    assert not any("global function" in hint for hint in explain(log("map_value_or_null-6.18")).hints)


# What Linux 7.3 writes, by its published description; no kernel here writes it yet.
STRUCTURED = """\
0: R1=ctx() R10=fp0
; return x; @ prog.bpf.c:4
0: (bf) r0 = r2
R2 !read_ok

Verification failed: Register Type Safety: Unreadable register

Reason:
  R2 has no value on this path,
  so it is no input.

At:
  insn 0
        | ^-- error: R2 is not readable
  Instruction context:
  >>> 0 | (bf) r0 = r2

Causal path:
  no retained diagnostic events on this path

Suggestion:
  Give R2 a value first.

processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""


def test_the_report_of_linux_7_3_adds_its_reason_and_its_suggestion() -> None:
    verdict = explain(STRUCTURED)
    assert verdict.complaint.splitlines() == [
        "0: (bf) r0 = r2",
        "R2 !read_ok",
        "Register Type Safety: Unreadable register: R2 has no value on this path, so it is no input.",
    ]
    assert (verdict.insn, verdict.source) == (0, "prog.bpf.c:4  return x;")
    assert verdict.hints[0] == "Give R2 a value first."
    assert len(verdict.hints) == 2


def test_a_report_alone_is_a_complaint_too() -> None:
    verdict = explain("Verification failed: Program Structure: Too large\n\nReason:\n  It is too large.\n")
    assert verdict == Verdict("Program Structure: Too large: It is too large.")


def test_debug_information_that_does_not_fit_is_explained() -> None:
    verdict = explain("Invalid insn code at line_info[3].insn_off\nprocessed 0 insns (limit 1000000) max_states 0\n")
    assert (verdict.complaint, verdict.insn) == ("Invalid insn code at line_info[3].insn_off", None)
    assert "debug information" in verdict.hints[0]


def test_a_log_that_was_cut_says_so_and_shows_the_last_instruction() -> None:
    whole = log("map_value_or_null-6.18")
    verdict = explain(whole[: whole.index("R0 invalid mem access")])
    assert verdict.insn == 7
    assert verdict.complaint.splitlines()[0] == "7: (79) r1 = *(u64 *)(r0 +0)"
    assert "cut off" in verdict.complaint


def test_no_log_is_no_complaint() -> None:
    assert explain("") == Verdict("")
    assert explain("\0\0\n \n") == Verdict("")
    assert explain("processed 0 insns (limit 1000000)").complaint == ""


def test_any_text_gives_a_short_verdict() -> None:
    chance = random.Random(5)
    lines = [line for name in EXPECTED for line in log(name).splitlines()]
    for _ in range(300):
        text = "\n".join(chance.choices(lines, k=chance.randrange(30)))
        cut = text[: chance.randrange(len(text) + 1)] + "\ufffd\0"
        assert len(explain(cut).complaint.splitlines()) <= 8


def test_a_log_of_megabytes_is_read_quickly() -> None:
    text = "; i++; @ a.c:1\n1: (07) r1 += 1   ; R1=scalar()\n" * 100_000 + "2: (95) exit\nR0 !read_ok\n"
    start = time.process_time()
    assert explain(text).complaint == "2: (95) exit\nR0 !read_ok"
    assert explain("unheard of\n" * 300_000).insn is None
    assert time.process_time() - start < 3


ABSENT = """0: R1=ctx() R10=fp0
; out = nopv; @ a.c:14
0: (18) r1 = 0x0                      ; R1=0
2: (b7) r2 = 4                        ; R2=4
3: (61) r1 = *(u32 *)(r1 +0)
R1 invalid mem access 'scalar'
processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""


def test_a_read_of_an_absent_weak_extern_says_that_it_is_absent() -> None:
    (remedy,) = explain(ABSENT).hints
    assert "a weak extern that this kernel does not have" in remedy


@pytest.mark.parametrize(
    "loaded", ["(18) r1 = 0xffff888000", "(b7) r1 = 0", "(79) r1 = *(u64 *)(r1 +0)", "(18) r3 = 0x0"]
)
def test_other_numbers_that_are_read_through_are_no_absent_externs(loaded: str) -> None:
    (remedy,) = explain(ABSENT.replace("(18) r1 = 0x0", loaded)).hints
    assert "weak" not in remedy


def test_remedies_are_for_messages_somebody_knows() -> None:
    assert hints_for("something never heard of") == ()
    assert "license" in hints_for("cannot call GPL-restricted function from non-GPL compatible program")[0]
    assert "sleepable" in hints_for("helper call might sleep in a non-sleepable prog")[0]
    assert "-g" in hints_for("map 'timers' has to have BTF in order to use bpf_timer")[0]


class _At(NamedTuple):
    insn: int


@pytest.mark.parametrize(("name", "found"), [("core_poison-6.18", True), ("kfunc_poison-6.18", True),
                                             ("map_poison-6.18", False), ("back_edge-6.1", False)])  # fmt: skip
def test_the_poisoned_access_is_the_one_at_which_the_verifier_stopped(name: str, found: bool) -> None:
    verdict = explain(log(name))
    assert verdict.insn is not None
    accesses = (_At(verdict.insn + 1), _At(verdict.insn))
    assert poisoned_access(verdict, accesses) == (accesses[1] if found else None)
    assert poisoned_access(verdict, ()) is None


def test_the_poison_of_the_log_is_the_one_that_is_written() -> None:
    assert CORE_POISON == POISON
