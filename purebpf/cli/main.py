"""The `purebpf` command: parses the command line and hands over to one file a command.

Rules: a command is a function of the parsed arguments that returns the exit code. 0 done, 1 an error (one message
on standard error, no traceback), 2 wrong usage or a missing privilege, 130 interrupted. What is written to
standard output is data; everything said about it goes to standard error.
"""

from __future__ import annotations

import argparse
import errno as errno_codes
import math
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import purebpf
from purebpf.errors import BpfError, NotPermitted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    _Commands = argparse._SubParsersAction["_Parser"]

EXIT_ERROR = 1
EXIT_WRONG_USAGE = 2
EXIT_NOT_PERMITTED = 2
EXIT_INTERRUPTED = 130

Command = Callable[[argparse.Namespace], int]


class WrongUsage(Exception):
    """What the command line asks for cannot be asked for; the text says why."""


class _Formatter(argparse.HelpFormatter):
    """Knows the terminal's width without shutil: every option asks for a formatter, and importing it takes 3 ms."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    try:
        return int(os.environ.get("COLUMNS", 0)) or os.get_terminal_size(1).columns or 80
    except (ValueError, OSError):
        return 80


class _Parser(argparse.ArgumentParser):
    """One clear line instead of a page of usage before it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_WRONG_USAGE, f"purebpf: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is the result."""
    words = sys.argv[1:] if arguments is None else arguments
    parsed = _parser(words[0] if words else "").parse_args(words)
    if parsed.verbose:
        import logging

        logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        command: Command = getattr(import_module(f"purebpf.cli.{parsed.command}"), parsed.command)
        code = command(parsed)
        # Here, where a reader that is gone is expected, and not when the interpreter ends.
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (head, less) has seen enough. What is still buffered must go somewhere when the
        # interpreter flushes at its end, or it complains and the exit code is 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except WrongUsage as error:
        return _complain(error, EXIT_WRONG_USAGE)
    except NotPermitted as error:
        return _complain(error, EXIT_NOT_PERMITTED)
    except (BpfError, OSError, ValueError, TypeError, KeyError) as error:
        if parsed.verbose:
            raise
        return _complain(error, EXIT_ERROR)


def _complain(error: BaseException, code: int) -> int:
    match error:
        case KeyError(args=(first, *_)):
            text = str(first)
        case OSError(filename=str(), errno=int()) if not isinstance(error, BpfError):
            symbol = errno_codes.errorcode.get(error.errno or 0, str(error.errno))
            text = f"cannot open '{error.filename}': {error.strerror} [{symbol}]"
        case OSError(errno=int()) if not isinstance(error, BpfError):
            text = f"{error.strerror} [{errno_codes.errorcode.get(error.errno or 0, str(error.errno))}]"
        case _:
            text = str(error)
    notes = getattr(error, "__notes__", ())
    print("\n".join(["purebpf: " + text, *(f"  {note}" for note in notes)]), file=sys.stderr)
    return code


def _parser(command: str = "") -> argparse.ArgumentParser:
    """The parser of a command; of all where the command line does not begin with one that there is."""
    parser = _Parser(prog="purebpf", description="Load eBPF objects, look at what they do, and at how they are loaded.")
    parser.add_argument("--version", action="version", version=f"purebpf {purebpf.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_Parser)
    adders = {
        "demo": _add_demo,
        "run": _add_run,
        "stages": _add_stages,
        "link": _add_link,
        "check": _add_check,
        "btf": _add_btf,
    }
    for add in (adders[command],) if command in adders else adders.values():
        add(commands)
    return parser


def _add(commands: _Commands, name: str, text: str) -> argparse.ArgumentParser:
    """A command's parser; the command is the function `name` of `purebpf.cli.<name>`, loaded when it runs."""
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("-v", "--verbose", action="store_true", help="log every step to standard error")
    parser.set_defaults(command=name)
    return parser


def _add_demo(commands: _Commands) -> None:
    parser = _add(commands, "demo", "show process starts and exits as they happen")
    parser.add_argument("--all", action="store_true", help="the whole system, not just what the demo starts itself")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of a table")
    parser.add_argument("--duration", type=_seconds, metavar="S", help="stop after S seconds (with --all: default 10)")


def _add_run(commands: _Commands) -> None:
    parser = _add(commands, "run", "load an object, attach its programs and print its ring buffers' events")
    parser.add_argument("file", metavar="FILE", help="a compiled BPF object")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--duration", type=_seconds, metavar="S", help="stop after S seconds (default: at Ctrl-C)")
    parser.add_argument("--program", action="append", metavar="NAME", help="load only this program (repeatable)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="set a global variable before loading"
    )
    parser.add_argument("--trace", action="store_true", help="also print what programs write with bpf_printk()")
    parser.add_argument("--interface", metavar="NAME", help="network interface for XDP programs")
    parser.add_argument("--pid", type=int, metavar="PID", help="process that uprobes are attached to (default: all)")
    parser.add_argument(
        "--btf", action="append", metavar="PATH", help="types of the kernel for CO-RE: a file or a folder (repeatable)"
    )
    _add_kconfig(parser)


def _add_kconfig(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kconfig", action="append", default=[], metavar="NAME=VALUE",
        help="set a value of the kernel's configuration (repeatable); FILE takes all that a .config sets",
    )  # fmt: skip


def _add_stages(commands: _Commands) -> None:
    parser = _add(commands, "stages", "show what each stage of loading does to an object; loads nothing")
    parser.add_argument("file", metavar="FILE", help="a compiled BPF object")
    parser.add_argument("--json", action="store_true", help="one JSON document with every stage's result")
    parser.add_argument(
        "--btf", metavar="FILE", help="plan for the kernel whose BTF this is (default: the running one)"
    )
    parser.add_argument("--release", default="", metavar="R", help="that kernel's `uname -r`")
    _add_kconfig(parser)
    parser.add_argument("--stage", action="append", metavar="NAME", help="show only this stage (repeatable)")


def _add_link(commands: _Commands) -> None:
    from purebpf.cli.output import add_output_options

    parser = _add(commands, "link", "make one object file of several")
    add_output_options(parser)
    parser.add_argument("files", nargs="+", metavar="FILE", help="compiled BPF objects, with type information (-g)")


def _add_check(commands: _Commands) -> None:
    parser = _add(commands, "check", "tell whether objects will load on a kernel, this one or others; loads nothing")
    parser.add_argument("files", nargs="+", metavar="FILE", help="compiled BPF objects")
    _add_kernels(parser)
    parser.add_argument("--release", default="", metavar="R", help="`uname -r` of a kernel whose file does not tell it")
    _add_kconfig(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def _add_kernels(parser: argparse.ArgumentParser) -> None:
    text = "a kernel's BTF file, or a folder of such files (repeatable; default: this kernel)"
    parser.add_argument("--btf", action="append", metavar="PATH", help=text)
    parser.add_argument(
        "-j", "--jobs", type=_processes, metavar="N", help="processes to work with (default: one a CPU)"
    )


def _add_btf(commands: _Commands) -> None:
    from purebpf.cli.output import add_output_options

    parser = _add(commands, "btf", "show types: of a kernel, an object or a BTF file")
    forms = parser.add_subparsers(title="forms", dest="form", metavar="FORM", required=True, parser_class=_Parser)
    as_c = forms.add_parser("c", help="as a C header (vmlinux.h)", description="Print types as a C header.")
    cut = forms.add_parser("min", help="the part that CO-RE needs for some objects", description="Cut kernels' types.")
    cut.add_argument("objects", nargs="+", metavar="OBJECT", help="compiled BPF objects that the types are for")
    _add_kernels(cut)
    add_output_options(cut)
    as_json = forms.add_parser("json", help="types with sizes and offsets", description="Print types as JSON.")
    for form in (as_c, as_json):
        form.add_argument("file", metavar="FILE", help="a file with BTF, or 'running' for the running kernel")
        form.add_argument("--base", metavar="FILE", help="what the BTF of a kernel module continues")
    as_c.add_argument(
        "--type", action="append", metavar="NAME", help="only this type or function and what it needs (repeatable)"
    )
    add_output_options(as_c, required=False)
    as_json.add_argument("name", nargs="+", metavar="NAME", help="a type: task_struct, 'struct task_struct', vfs_read")


def _processes(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of processes")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds") from None
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("must be more than 0 and finite")
    return seconds
