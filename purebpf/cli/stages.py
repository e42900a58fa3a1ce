"""`purebpf stages FILE`: what each stage of loading makes of an object, without loading it.

Nothing here needs a privilege: without one the running kernel is described as if it had every feature.
"""

import argparse
import json
import sys
from collections.abc import Container, Iterable

from purebpf.cli.main import WrongUsage
from purebpf.cli.screen import BOLD, styled
from purebpf.cli.values import kconfig_text, printable
from purebpf.errors import BpfError
from purebpf.inspect import stage_data, stage_lines
from purebpf.plan.stages import STAGES, StageResult, trace
from purebpf.plan.target import Feature, Target


def stages(arguments: argparse.Namespace) -> int:
    """Run the command."""
    shown_stages = STAGES[: STAGES.index("execute")]
    wanted = arguments.stage or shown_stages
    for name in wanted:
        if name == "execute":
            raise WrongUsage("stage 'execute' loads the object: that is what `purebpf run` does")
        if name not in shown_stages:
            raise WrongUsage(f"there is no stage '{name}'; there are: {', '.join(shown_stages)}")
    if arguments.release and not arguments.btf:
        raise WrongUsage("--release is about the kernel whose types --btf gives")
    target = _configured(_target(arguments), arguments)
    results = list(trace(arguments.file, target))
    if arguments.json:
        shown = [stage_data(result) for result in results if result.stage in wanted]
        json.dump({"file": arguments.file, "target": target.name, "stages": shown}, sys.stdout, indent=2)
        print()
    else:
        print(f"{arguments.file} for {target.name}")
        show(results, wanted)
    last = results[-1]
    if last.error is None:
        return 0
    print(f"purebpf: stage '{last.stage}' failed: {str(last.error).splitlines()[0]}", file=sys.stderr)
    return 1


def show(results: Iterable[StageResult], wanted: Container[str] = STAGES) -> None:
    """Print the stages wanted: what each made, or why it could not."""
    spec = None
    for result in results:
        if result.stage == "describe":
            spec = result.value
        if result.stage not in wanted:
            continue
        failed = "" if result.error is None else "  FAILED"
        print("\n" + styled(f"{result.stage}  ({result.seconds * 1e3:.2f} ms){failed}", BOLD))
        print("\n".join(f"  {printable(line)}" for line in stage_lines(result, spec)))


def _target(arguments: argparse.Namespace) -> Target:
    if arguments.btf is not None:
        target = Target.from_btf(arguments.btf, release=arguments.release)
        # Not every object needs the kernel's types: without this, any file at all would do for those.
        _ = target.btf
        return target
    return describable_target()


def _configured(target: Target, arguments: argparse.Namespace) -> Target:
    text = kconfig_text(arguments.kconfig)
    try:
        return target if text is None else target.with_kconfig(text)
    except ValueError as error:
        raise WrongUsage(str(error).replace("option kconfig", "--kconfig")) from error


def describable_target() -> Target:
    """The running kernel; a feature that this process may not probe for is taken to be there."""
    from dataclasses import replace

    from purebpf.host.target import running_target

    target = running_target()

    def found_or_assumed(feature: Feature) -> bool:
        try:
            return target.supports(feature)
        except BpfError:
            return True

    return replace(target, features=found_or_assumed)
