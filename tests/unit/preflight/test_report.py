"""What a check came to, as values that print and become JSON."""

import json

from purebpf.preflight.report import Finding, Report, Verdict, worst

FINDING = Finding(
    Verdict.FAILS, "program 'p'", "helper", "bpf_x", "it calls bpf_x()", ("near: bpf_y",), "call bpf_y() instead"
)


def test_one_failure_decides_over_the_unknown_and_that_over_what_loads() -> None:
    assert worst([Verdict.LOADS, Verdict.UNKNOWN]) is Verdict.UNKNOWN
    assert worst([Verdict.UNKNOWN, Verdict.FAILS, Verdict.LOADS]) is Verdict.FAILS
    assert worst([]) is Verdict.LOADS


def test_a_report_prints_its_verdict_and_every_finding() -> None:
    report = Report("o", "there", {"p": Verdict.FAILS}, {}, (FINDING,))
    assert str(report).splitlines() == [
        "'o' on there: fails",
        "  program 'p': it calls bpf_x()",
        "    near: bpf_y",
        "    call bpf_y() instead",
    ]


def test_a_report_becomes_json() -> None:
    report = Report("o", "there", {"p": Verdict.FAILS}, {"m": Verdict.LOADS}, (FINDING,))
    told = json.loads(json.dumps(report.to_json()))
    assert (told["verdict"], told["programs"], told["maps"]) == ("fails", {"p": "fails"}, {"m": "loads"})
    assert told["findings"][0]["need"] == "helper"
