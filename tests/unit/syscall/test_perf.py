"""Perf events: every argument in its field, and the PMU's own words for its bits."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from purebpf import uapi
from purebpf.syscall import attrs, perf


class Opened:
    """Stands in for perf_event_open and keeps what it was given."""

    def __call__(self, attr: bytearray, pid: int, cpu: int, group: int, flags: int, inputs: Any = ()) -> int:
        self.attr, self.target, self.flags, self.inputs = bytes(attr), (pid, cpu, group), flags, inputs
        return 5

    def field(self, offset: int, code: str = "Q") -> int:
        value: int = struct.unpack_from("=" + code, self.attr, offset)[0]
        return value


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    opened = Opened()
    monkeypatch.setattr(perf, "_open", opened)
    return opened


@pytest.fixture
def pmus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Two made-up PMUs; what was cached of the machine's own is forgotten before and after."""
    for name, number, bit in (("kprobe", 8, 0), ("uprobe", 9, 3)):
        (tmp_path / name / "format").mkdir(parents=True)
        (tmp_path / name / "type").write_text(f"{number}\n")
        (tmp_path / name / "format" / "retprobe").write_text(f"config:{bit}\n")
    monkeypatch.setattr(perf, "PMUS", str(tmp_path))
    for cached in (perf.pmu_type, perf.pmu_return_bit):
        cached.cache_clear()
    yield tmp_path
    for cached in (perf.pmu_type, perf.pmu_return_bit):
        cached.cache_clear()


def test_every_event_is_closed_on_exec_and_tells_its_size(opened: Opened) -> None:
    assert perf.open_tracepoint(321) == 5
    assert opened.flags == uapi.PERF_FLAG_FD_CLOEXEC
    assert opened.field(attrs.PERF_EVENT_SIZE, "I") == len(opened.attr)
    assert opened.field(attrs.PERF_EVENT_TYPE, "I") == uapi.PERF_TYPE_TRACEPOINT
    assert opened.field(attrs.PERF_EVENT_CONFIG) == 321
    assert opened.target == (-1, 0, -1)


def test_a_kprobe_is_named_by_symbol_and_offset(opened: Opened, pmus: Path) -> None:
    perf.open_kprobe(symbol="do_unlinkat", offset=4, returns=True)
    assert opened.inputs == ((attrs.PERF_EVENT_CONFIG1, b"do_unlinkat\0"),)
    assert (opened.field(attrs.PERF_EVENT_CONFIG2), opened.field(attrs.PERF_EVENT_CONFIG)) == (4, 1)
    assert opened.field(attrs.PERF_EVENT_TYPE, "I") == 8


def test_a_kprobe_by_address_has_no_symbol(opened: Opened, pmus: Path) -> None:
    perf.open_kprobe(address=0xFFFF_FFFF_8100_0000)
    assert opened.inputs == ()
    assert opened.field(attrs.PERF_EVENT_CONFIG2) == 0xFFFF_FFFF_8100_0000


def test_a_uprobe_carries_its_semaphore_in_the_upper_half(opened: Opened, pmus: Path) -> None:
    perf.open_uprobe(path="/bin/x", offset=0x40, pid=77, ref_ctr_offset=0x20, returns=True)
    assert opened.field(attrs.PERF_EVENT_CONFIG) == 0x20 << 32 | 1 << 3
    assert opened.field(attrs.PERF_EVENT_CONFIG2) == 0x40
    assert opened.inputs == ((attrs.PERF_EVENT_CONFIG1, b"/bin/x\0"),)
    assert opened.target == (77, -1, -1)


def test_a_uprobe_of_every_process_needs_a_cpu(opened: Opened, pmus: Path) -> None:
    perf.open_uprobe(path="/bin/x", offset=0)
    assert opened.target == (-1, 0, -1)


def test_a_kernel_without_the_pmu_is_file_not_found(pmus: Path) -> None:
    with pytest.raises(FileNotFoundError):
        perf.pmu_type("nothing")


def test_an_unknown_form_of_the_return_bit_is_named(pmus: Path) -> None:
    (pmus / "kprobe" / "format" / "retprobe").write_text("config1:0-3\n")
    with pytest.raises(ValueError, match="config1:0-3"):
        perf.pmu_return_bit("kprobe")


def test_a_clock_has_a_period_or_a_frequency(opened: Opened) -> None:
    perf.open_clock(frequency=99, cpu=0)
    assert opened.field(attrs.PERF_EVENT_FLAGS) & uapi.PERF_ATTR_FREQ
    perf.open_clock(period_ns=1000, pid=0)
    assert opened.field(attrs.PERF_EVENT_SAMPLE_PERIOD) == 1000
    assert not opened.field(attrs.PERF_EVENT_FLAGS)
    for wrong in ({}, {"frequency": 1, "period_ns": 1}):
        with pytest.raises(ValueError, match="either"):
            perf.open_clock(**wrong)
