"""Remedies for the verifier's messages; those that only look alike get no other's."""

import pytest

from purebpf.live.verifier_hints import hints_for


@pytest.mark.parametrize(
    "message",
    [
        "do_unlinkat is not sleepable",
        "Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable",
        "Only fentry/fexit/fmod_ret and lsm programs can be sleepable",
    ],
)
def test_a_program_that_sleeps_where_none_may_is_told_to_drop_the_s(message: str) -> None:
    (remedy,) = hints_for(message)
    assert "take the .s out" in remedy


@pytest.mark.parametrize(
    "message",
    [
        "helper call might sleep in a non-sleepable prog",
        "program must be sleepable to call sleepable kfunc bpf_copy_from_user_str",
        "sleepable helper bpf_copy_from_user#148 in non-sleepable prog",
    ],
)
def test_a_program_that_does_not_sleep_is_told_to_take_the_s(message: str) -> None:
    (remedy,) = hints_for(message)
    assert "use a section name with .s" in remedy


def test_what_sleepable_programs_may_not_do_is_no_reason_to_become_one() -> None:
    (remedy,) = hints_for("Sleepable programs can only use array, hash, ringbuf and local storage maps")
    assert "a sleepable program may not do this" in remedy


@pytest.mark.parametrize(
    "message",
    [
        "sleepable helper bpf_copy_from_user#148 in rcu_read_lock region",
        "kernel func bpf_copy_from_user_str is sleepable within rcu_read_lock region",
        "global functions that may sleep are not allowed in non-sleepable context,",
    ],
)
def test_a_call_that_sleeps_in_a_region_is_moved_out_of_it(message: str) -> None:
    (remedy,) = hints_for(message)
    assert "outside of the region" in remedy


def test_the_name_of_a_kernel_function_is_no_read_only_memory() -> None:
    (remedy,) = hints_for("kfunc bpf_rdonly_cast type ID argument must be of a struct")
    assert "bpf_core_type_id_kernel" in remedy
    assert "read-only" in hints_for("R0 cannot write into rdonly_mem")[0]
    assert "read-only" in hints_for("write into map forbidden, value_size=4 off=0 size=4")[0]


@pytest.mark.parametrize("field", ["bpf_spin_lock", "bpf_timer", "bpf_{list_head,rb_root}"])
def test_a_field_that_the_program_type_may_not_use_is_not_a_lock_that_is_held(field: str) -> None:
    (remedy,) = hints_for(f"tracing progs cannot use {field} yet")
    assert "programs of this type" in remedy


@pytest.mark.parametrize(
    "message",
    [
        "function calls are not allowed while holding a lock",
        "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region",
        "bpf_spin_unlock is missing",
        "Locking two bpf_spin_locks are not allowed",
    ],
)
def test_a_lock_that_is_held_is_to_be_released(message: str) -> None:
    (remedy,) = hints_for(message)
    assert remedy.startswith("release the lock")


def test_a_function_that_fmod_ret_cannot_change_names_those_it_can() -> None:
    (remedy,) = hints_for("do_unlinkat() is not modifiable")
    assert "error injection" in remedy
    assert "fexit" in remedy


def test_an_address_of_a_kernel_function_is_blamed_on_kernels_that_take_only_variables() -> None:
    (remedy,) = hints_for("pseudo btf_id 95719 in ldimm64 isn't KIND_VAR.")
    assert "bpf_ksym_exists()" in remedy
    assert hints_for("pseudo btf_id 95719 in ldimm64 isn't KIND_VAR or KIND_FUNC") == ()


def test_a_function_that_cannot_be_called_may_be_no_function_for_programs_at_all() -> None:
    (remedy,) = hints_for("calling kernel function schedule is not allowed")
    assert "only those that it marks for BPF" in remedy


@pytest.mark.parametrize("message", ["bpf_spin_unlock of different lock", "bpf_spin_unlock without taking a lock"])
def test_an_unlock_that_does_not_fit_is_told_to_name_the_same_lock(message: str) -> None:
    (remedy,) = hints_for(message)
    assert "what is unlocked must be what was locked" in remedy


def test_a_variable_that_the_symbols_leave_out_names_the_option() -> None:
    (remedy,) = hints_for("ldimm64 failed to find the address for kernel symbol 'runqueues'.")
    assert "CONFIG_KALLSYMS_ALL" in remedy
