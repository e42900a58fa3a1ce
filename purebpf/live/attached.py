"""What `purebpf.attached` gives."""

from typing import NamedTuple

from purebpf.live.links import Links
from purebpf.live.object import BpfObject


class Attached(NamedTuple):
    """What `attached` gives: the loaded object and its links."""

    object: BpfObject
    links: Links
