"""Names that a misspelt one may have meant."""

import time

from purebpf.near import did_you_mean, near_names


def test_the_nearest_name_comes_first():
    names = ["vfs_write", "vfs_read", "vfs_readv", "ksys_read", "do_exit"]
    assert near_names("vfs_raed", names)[0] == "vfs_read"


def test_a_name_that_holds_the_wanted_one_is_near_however_long():
    assert near_names("unlinkat", ["do_unlinkat", "__x64_sys_unlinkat.constprop.0", "do_exit"]) == [
        "do_unlinkat",
        "__x64_sys_unlinkat.constprop.0",
    ]


def test_nothing_near_is_nothing():
    assert near_names("zzzzzz", ["vfs_read", "do_exit"]) == []
    assert near_names("", ["vfs_read"]) == []
    assert did_you_mean("zzzzzz", ["vfs_read"]) == []


def test_the_name_itself_and_duplicates_are_no_suggestions():
    assert near_names("vfs_read", ["vfs_read", "vfs_reads", "vfs_reads"]) == ["vfs_reads"]


def test_suggestions_read_as_a_sentence():
    assert did_you_mean("vfs_raed", ["vfs_read"]) == ["did you mean 'vfs_read'?"]
    assert did_you_mean("vfs_reaq", ["vfs_read", "vfs_readv"]) == ["did you mean 'vfs_read' or 'vfs_readv'?"]


def test_a_kernel_full_of_like_names_is_searched_in_bounded_time():
    names = [f"vfs_read_{number:06}" for number in range(200_000)]
    started = time.thread_time()
    assert len(near_names("vfs_read_00x000", names)) == 5
    assert time.thread_time() - started < 2
