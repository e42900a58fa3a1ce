"""Static linking: several object files become one, as a C programmer expects of a linker.

    inputs  ->  sections  ->  symbols  ->  types  ->  the file

`link_objects` does it all; each step is a module of that name.
"""

from purebpf.linker.link import link_objects

__all__ = ["link_objects"]
