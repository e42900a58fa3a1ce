"""Tags of functions and arguments: the verifier takes what they mean, on kernels that know them and older ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

import purebpf
from purebpf import UnresolvedExtern, VerifierError
from purebpf.errors import NotSupported
from purebpf.host.features import supports
from purebpf.plan.target import Feature

PathOf = Callable[[str], Path]


def test_global_functions_take_the_context_of_each_type_of_program(bpf_object: PathOf) -> None:
    with purebpf.load(purebpf.open(bpf_object("tags"))) as made:
        assert set(made.programs) == {"on_kprobe", "on_raw_tracepoint", "on_event"}
        assert all(program.info().nr_func_info > 1 for program in made.programs.values())


def test_a_tag_that_the_kernel_does_not_know_is_left_to_it(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("tags")).with_programs("with_never_null")
    if supports(Feature.ARG_CTX_TAG):
        purebpf.load(spec).close()
    else:
        with pytest.raises(VerifierError, match="mem_or_null"):
            purebpf.load(spec)


def test_an_exception_callback_says_what_a_program_that_throws_returns(bpf_object: PathOf) -> None:
    spec = purebpf.open(bpf_object("exception_callback"))
    try:
        made = purebpf.load(spec)
    except UnresolvedExtern as error:
        raise NotSupported("bpf_throw()", since="6.7", evidence=[str(error)]) from error
    with made:
        guarded, unguarded = made.programs["guarded"], made.programs["unguarded"]
        assert [guarded.test_run(bytes(size)).retval for size in (40, 100)] == [0, 42]
        assert [unguarded.test_run(bytes(size)).retval for size in (40, 100)] == [0, 2]
