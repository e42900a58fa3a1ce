"""struct_ops maps: what a load keeps of them."""

from dataclasses import replace

from purebpf.live.loader import execute
from purebpf.plan.stages import open_object, plan_object
from purebpf.plan.steps import FillStructOps, LoadPlan
from tests.fakes import FakeKernel, RecordingKernel
from tests.unit.plan.test_struct_ops import Kernel
from tests.unit.spec.ops import ops_object


def plan_of(**options: bool) -> LoadPlan:
    spec = open_object(ops_object().build()).with_program("second", autoload=False)
    return plan_object(spec, Kernel(**options).target())


def test_the_value_has_the_fds_of_the_programs_as_whole_pointers() -> None:
    kernel = FakeKernel()
    loaded = execute(plan_of(), kernel)
    value = loaded.ops["table"]
    number = loaded.programs["first"].number
    assert value == bytes(64) + (7).to_bytes(8, "little") + number.to_bytes(8, "little") + bytes(8)
    assert not kernel.map(loaded.maps["table"]).contents, "a value that the kernel gets registers the table"
    loaded.close()
    assert not kernel.open


def test_the_map_is_made_with_the_objects_types_although_it_has_none_of_them() -> None:
    kernel = FakeKernel()
    loaded = execute(plan_of(), kernel)
    assert kernel.map(loaded.maps["table"]).types is not None
    loaded.close()


def test_a_module_is_opened_once_for_the_map_and_the_program_and_closed() -> None:
    kernel, plan = FakeKernel(), plan_of(module=True)
    assert plan.spec.btf is not None
    kernel.modules["mod"] = plan.spec.btf
    recording = RecordingKernel(kernel)
    loaded = execute(plan, recording)
    assert [request.name for request in recording.requests].count("open_module") == 1
    assert len(kernel.open) == 3
    loaded.close()


def test_a_table_of_nulls_needs_no_program() -> None:
    plan = plan_of()
    steps = tuple(replace(s, programs=()) if isinstance(s, FillStructOps) else s for s in plan.steps)
    loaded = execute(replace(plan, steps=steps), FakeKernel())
    assert loaded.ops["table"][72:80] == bytes(8)
    loaded.close()
