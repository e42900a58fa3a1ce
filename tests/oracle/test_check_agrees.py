"""What `check` says of the running kernel, and what that kernel does: a sample of the corpus, program by program.

Excepted is what no check claims: the verifier's reasoning, and what this process may not do.
"""

import pytest

import purebpf
from purebpf.errors import BpfError, NotPermitted, ObjectFileError, VerifierError
from purebpf.preflight import Report, Verdict, check
from purebpf.spec.model import ObjectSpec, Pinning
from tools.corpus import objects

SAMPLE = {"built": 4, "libbpf-tools": 5, "xdp-tools": 5, "libxdp1": 5}
"""Every how manieth object of a group."""
# The verifier says these of what it does not have, and that is no reasoning.
UNKNOWN_TO_THE_VERIFIER = ("unknown func", "invalid func", "unknown opcode")


def outcome(spec: ObjectSpec) -> str:
    """What the kernel does: 'loads', 'fails', or 'reasoning' and 'permission', of which nothing is claimed."""
    try:
        # What a file asks to be pinned would stay behind.
        for name in [name for name, declared in spec.maps.items() if declared.pinning]:
            spec = spec.with_map(name, pinning=Pinning.NONE)
        purebpf.load(spec).close()
    except VerifierError as error:
        return "fails" if any(said in error.complaint for said in UNKNOWN_TO_THE_VERIFIER) else "reasoning"
    except NotPermitted:
        return "permission"
    except BpfError:
        return "fails"
    return "loads"


def disagreement(spec: ObjectSpec, report: Report) -> str:
    """What the kernel did otherwise than it was said, "" if nothing."""
    did = outcome(spec)
    wrong = {"loads": report.verdict is not Verdict.LOADS, "fails": report.verdict is Verdict.LOADS}
    return f"{did}: {report}" if wrong.get(did) else ""


@pytest.mark.parametrize("group", SAMPLE)
def test_the_kernel_does_what_was_said_of_every_program(group: str) -> None:
    target = purebpf.running_target()
    checked = 0
    for path in objects.group(group).objects[:: SAMPLE[group]]:
        try:
            spec = purebpf.open(path)
        except ObjectFileError:
            continue
        for name in spec.programs:
            one = spec.with_programs(name)
            report = check(one, target)
            assert disagreement(one, report) == ""
            assert all(finding.name for finding in report.findings if finding.need not in ("object", "attach target"))
            checked += 1
    assert checked > 2
