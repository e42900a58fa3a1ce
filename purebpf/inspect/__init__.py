"""The stages of a load, as text and as data."""

from purebpf.inspect.data import plain, stage_data
from purebpf.inspect.text import plan_lines, read_lines, spec_lines, stage_lines

__all__ = ["plain", "plan_lines", "read_lines", "spec_lines", "stage_data", "stage_lines"]
