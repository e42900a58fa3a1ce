"""What a closed object leaves in memory: nothing, at once."""

import gc
from collections.abc import Callable
from pathlib import Path
from weakref import ref

import purebpf


def test_a_closed_object_is_freed_without_the_garbage_collector(bpf_object: Callable[[str], Path]) -> None:
    gc.collect()
    gc.disable()
    try:
        loaded = purebpf.load(bpf_object("minimal"))
        assert list(loaded.maps.values())
        assert list(loaded.programs.values())
        freed = ref(loaded)
        loaded.close()
        del loaded
        assert freed() is None
    finally:
        gc.enable()
