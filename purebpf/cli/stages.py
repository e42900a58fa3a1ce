"""`purebpf stages FILE`: what each stage of loading makes of an object, without loading it.

Nothing here needs a privilege: without one the running kernel is described as if it had every feature.
"""

import argparse
import json
import sys

from purebpf.errors import BpfError
from purebpf.inspect import stage_data, stage_lines
from purebpf.plan.stages import STAGES, trace
from purebpf.plan.target import Target


def stages(arguments: argparse.Namespace) -> int:
    """Run the command."""
    wanted = arguments.stage or STAGES
    for name in wanted:
        if name not in STAGES:
            raise ValueError(f"there is no stage '{name}'; there are: {', '.join(STAGES)}")
    target = _target(arguments)
    results = list(trace(arguments.file, target))
    failed = results[-1].error
    if arguments.json:
        shown = [stage_data(result) for result in results if result.stage in wanted]
        json.dump({"file": arguments.file, "target": target.name, "stages": shown}, sys.stdout, indent=2)
        print()
    else:
        print(f"{arguments.file} for {target.name}")
        for result in results:
            if result.stage in wanted:
                print(f"\n{result.stage}  ({result.seconds * 1e3:.2f} ms)")
                print("\n".join(f"  {line}" for line in stage_lines(result)))
    return 1 if failed is not None else 0


def _target(arguments: argparse.Namespace) -> Target:
    if arguments.btf is not None:
        return Target.from_btf(arguments.btf, release=arguments.release)
    return describable_target()


def describable_target() -> Target:
    """The running kernel; where it may not be probed, the same with every feature taken to be there."""
    from dataclasses import replace

    from purebpf.host.target import running_target
    from purebpf.plan.target import Feature

    target = running_target()
    try:
        target.supports(Feature.PROG_NAME)
    except BpfError:
        return replace(target, features={})
    return target
