"""`purebpf link`: several object files become one."""

from __future__ import annotations

from purebpf.cli.output import write_output
from purebpf.linker import link_objects

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse


def link(arguments: argparse.Namespace) -> int:
    """Link the files and write the result."""
    write_output(arguments.output, link_objects(arguments.files), force=arguments.force)
    return 0
