"""Arenas in a load: when their memory is mapped, filled and given back.

The memory itself is a kernel's: tests/kernel/test_arena.py.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from purebpf.errors import KernelError
from purebpf.live.images import ArenaImage, arena_images
from purebpf.live.loader import execute
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import LoadPlan
from purebpf.plan.target import Target
from tests.fakes import FailingKernel, FakeKernel, RecordingKernel, interrupted, refused

OBJECT = Path(__file__).parents[4] / "bpf" / "built" / "arena.bpf.o"
SIZE = 100 * 4096


def plan_of(**properties: int) -> LoadPlan:
    spec = open_object(OBJECT)
    if properties:
        spec = spec.with_map("arena", **properties)
    return plan_object(spec, Target("test", "7.0.0", 0x070000, "little"), pin_root="/pins")


def test_the_variables_stand_where_the_plan_says_and_programs_come_later() -> None:
    recording = RecordingKernel(FakeKernel())
    loaded = execute(plan_of(), recording)
    view = loaded.memory["arena"].view
    assert len(view) == SIZE
    assert not any(view[: SIZE - 4096])
    assert view[SIZE - 4096 : SIZE - 4088] == (40).to_bytes(8, "little")
    asked = [request.name for request in recording.requests]
    assert asked.index("map_memory") == asked.index("create_map") + 1 < asked.index("load_program")
    loaded.close()
    assert not loaded.memory["arena"].view


def test_an_arena_that_was_pinned_before_keeps_its_contents() -> None:
    kernel, plan = FakeKernel(), plan_of(pinning=1)
    first = execute(plan, kernel)
    second = execute(plan, kernel)
    assert any(first.memory["arena"].view)
    assert not any(second.memory["arena"].view), "the fake's memories are apart, so this one was not written"
    for loaded in (first, second):
        loaded.close()


@pytest.mark.parametrize("error", [refused, interrupted])
def test_whatever_request_fails_nothing_is_left(error: Callable[[str, str], BaseException]) -> None:
    recording = RecordingKernel(FakeKernel())
    execute(plan_of(), recording).close()
    for step in range(len(recording.requests)):
        kernel = FakeKernel()
        with suppress(KernelError, KeyboardInterrupt):
            execute(plan_of(), FailingKernel(kernel, step, error)).close()
        assert not kernel.open


def test_an_image_is_the_variables_part_of_the_memory() -> None:
    loaded = execute(plan_of(), FakeKernel())
    plan = plan_of()
    (image,) = arena_images(plan, loaded.memory).values()
    assert len(image.buffer) == 48
    image.write(0, b"\1\2")
    assert image.read(0, 3) == b"\1\2\0" == bytes(loaded.memory["arena"].view[SIZE - 4096 : SIZE - 4093])
    part = image.buffer[:2]
    image.close()
    loaded.close()
    assert bytes(part) == b"\1\2", "a view keeps the memory"
    assert not arena_images(plan, {})
    assert not arena_images(replace(plan, steps=()), loaded.memory)


def test_a_closed_image_gives_nothing() -> None:
    image = ArenaImage(memoryview(bytearray(8)))
    image.close()
    with pytest.raises(ValueError, match="released"):
        image.read(0, 1)
