"""What `check` says of the running kernel, and what that kernel does: a sample of the corpus, program by program.

`python -m tools.corpus.agreement` judges the whole corpus, there and in the VMs.
"""

import pytest

import purebpf
from purebpf.preflight import check
from tools.corpus import objects
from tools.corpus.agreement import judge, running_as_file, summary

SAMPLE = {"built": 4, "libbpf-tools": 5, "xdp-tools": 5, "libxdp1": 5, "selftests-6.12": 40}
"""Every how manieth object of a group."""


@pytest.mark.parametrize("group", SAMPLE)
def test_the_kernel_does_what_was_said_of_every_program(group: str) -> None:
    here, there = purebpf.running_target(), running_as_file()
    paths = objects.group(group).objects[:: SAMPLE[group]]
    judged = [each for path in paths for each in judge(path, here, there)]
    wrong = [each for each in judged if each.wrong(each.here) or each.wrong(each.there)]
    assert not wrong, summary(len(paths), wrong)
    assert len(judged) > 2


def test_the_helpers_that_selftests_expect_to_be_refused_are_refused() -> None:
    (path,) = [path for path in objects.group("selftests-6.12").objects if "verifier_helper_restricted" in path.name]
    target = purebpf.running_target()
    spec = purebpf.open(path)
    (report,) = [check(spec.with_programs("in_bpf_prog_type_kprobe_1"), target)]
    assert "bpf_ktime_get_coarse_ns()" in report.findings[0].reason
    assert report.findings[0].evidence[0].startswith("programs that may: ")


def test_a_refusal_names_what_is_missing() -> None:
    target = purebpf.running_target()
    for path in objects.group("selftests-6.12").objects[::25]:
        try:
            spec = purebpf.open(path)
        except purebpf.ObjectFileError:
            continue
        for finding in check(spec, target).findings:
            assert finding.name or finding.need in ("object", "attach target")
