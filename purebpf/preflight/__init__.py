"""Will it load there? What an object needs, held against what a kernel has; neither has to be here."""

from purebpf.preflight.judge import check
from purebpf.preflight.report import Finding, Report, Verdict

__all__ = ["Finding", "Report", "Verdict", "check"]
