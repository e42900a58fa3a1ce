"""The verb for a `with` block: open, load and attach, and all of it undone at the end."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from purebpf.api import load, open  # noqa: A004
from purebpf.live.links import Links
from purebpf.live.object import BpfObject
from purebpf.spec.model import ObjectSpec

if TYPE_CHECKING:
    from purebpf.api import BtfFiles, Kconfig
    from purebpf.plan.stages import Source


class Attached(NamedTuple):
    """What `attached` gives: the loaded object and its links."""

    object: BpfObject
    links: Links


@contextmanager
def attached(
    source: "ObjectSpec | Source",
    *,
    programs: Iterable[str] | None = None,
    values: Mapping[str, Any] | None = None,
    before_attach: Callable[[BpfObject], object] | None = None,
    btf: "BtfFiles | None" = None,
    kconfig: "Kconfig | None" = None,
    **options: Any,
) -> Iterator[Attached]:
    """Open, load and attach an object for as long as the `with` block lasts.

    `programs` are the only ones to load (default: as the file says), `values` initial values of global
    variables, `before_attach` is called with the loaded object before anything is attached (fill maps there);
    `btf` and `kconfig` are as for `plan`, `options` go to every attach call. Gives the object and its links; all is
    detached and closed at the end.
    """
    spec = source if isinstance(source, ObjectSpec) else open(source)
    if programs is not None:
        spec = spec.with_programs(*programs)
    if values:
        spec = spec.with_values(**values)
    with load(spec, btf=btf, kconfig=kconfig) as loaded:
        if before_attach is not None:
            before_attach(loaded)
        yield Attached(loaded, loaded.attach(**options))
