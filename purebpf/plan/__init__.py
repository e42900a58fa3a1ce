"""Target, steps and stages: what a load will ask of a kernel, worked out without one.

`purebpf.plan` is this package and the verb `purebpf.plan(spec, target)` as well: importing a module of a package
binds the package to its name in the parent, over whatever stood there. So the package can be called.
"""

from __future__ import annotations

import sys

from purebpf.standard import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        # The public face knows where its verbs are; this package may not.
        return sys.modules["purebpf"].load_name("plan")(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
