"""What a check came to, as values that print, compare and become JSON."""

from collections.abc import Iterable, Mapping
from typing import Any

from purebpf.enums import Enum
from purebpf.frozen import Frozen, field


class Verdict(Enum):
    """Whether something will load; UNKNOWN where the target's description does not tell enough."""

    LOADS = "loads"
    FAILS = "fails"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


_ORDER = (Verdict.FAILS, Verdict.UNKNOWN, Verdict.LOADS)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a whole from its parts'."""
    return min(verdicts, key=_ORDER.index, default=Verdict.LOADS)


class Finding(Frozen):
    """A reason why a program or map will not load, why nobody can say, or, where it loads, what it cannot be used for.

    `need` is of what kind the missing thing is: 'program type', 'attach type', 'map type', 'helper', 'kernel function',
    'kernel symbol', 'configuration', 'type', 'instructions', 'attach target', 'license', 'object'. `name` is the thing
    itself.
    """

    verdict: Verdict
    subject: str
    need: str
    name: str
    reason: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "verdict": str(self.verdict),
            "subject": self.subject,
            "need": self.need,
            "name": self.name,
            "reason": self.reason,
            "evidence": list(self.evidence),
            "remedy": self.remedy,
        }


class Report(Frozen):
    """Whether an object will load on a target: each program and map, and the findings that say why not.

    It says nothing of what only the verifier works out: whether accesses are in bounds, loops end, and the like.
    """

    object: str
    target: str
    programs: Mapping[str, Verdict] = field(default_factory=dict)
    maps: Mapping[str, Verdict] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    left_out: tuple[str, ...] = ()
    """Programs that a load leaves out (autoload is off, as after SEC("?...")), so nothing is said of them."""

    @property
    def verdict(self) -> Verdict:
        """The whole object's: all of it loads, or it does not."""
        return worst((*self.programs.values(), *self.maps.values(), *(f.verdict for f in self.findings)))

    def to_json(self) -> dict[str, Any]:
        """As plain data for `json.dumps`."""
        return {
            "object": self.object,
            "target": self.target,
            "verdict": str(self.verdict),
            "programs": {name: str(verdict) for name, verdict in self.programs.items()},
            "maps": {name: str(verdict) for name, verdict in self.maps.items()},
            "left_out": list(self.left_out),
            "findings": [finding.to_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        lines = [f"'{self.object}' on {self.target}: {self.verdict}"]
        for finding in self.findings:
            lines.append(f"  {finding}")
            lines += [f"    {line}" for line in finding.evidence]
            if finding.remedy:
                lines.append(f"    {finding.remedy}")
        return "\n".join(lines)
