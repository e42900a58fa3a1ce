"""Kernels that are nothing but the few types and functions that a check asks for."""

from purebpf.btf import Btf, BtfWriter, Enum, Enumerator, Function, FunctionProto, Int, Linkage
from purebpf.plan.target import Target
from purebpf.units import TypeId

ALL_PROGRAMS = range(33)
ALL_MAPS = range(35)
ALL_ATTACHMENTS = range(60)
ALL_HELPERS = range(212)
FUNCTIONS = ("bpf_check", "sk_filter_func_proto", "xdp_func_proto", "kprobe_prog_func_proto", "tracing_prog_func_proto")


def kernel_btf(
    *,
    programs: range = ALL_PROGRAMS,
    maps: range = ALL_MAPS,
    attachments: range = ALL_ATTACHMENTS,
    helpers: range = ALL_HELPERS,
    functions: tuple[str, ...] = FUNCTIONS,
) -> bytes:
    """The BTF of a kernel that knows those numbers and has those functions."""
    writer = BtfWriter()
    writer.add(Int("int", 4, 32, signed=True))
    for name, numbers in (
        ("bpf_prog_type", programs),
        ("bpf_map_type", maps),
        ("bpf_attach_type", attachments),
        ("bpf_func_id", helpers),
    ):
        values = [Enumerator(f"{name}_{number}", number) for number in numbers]
        values.append(Enumerator(f"__MAX_{name}", len(values)))
        writer.add(Enum(name, 4, tuple(values)))
    prototype = writer.add(FunctionProto(TypeId(1), ()))
    for function in functions:
        writer.add(Function(function, prototype, Linkage.STATIC))
    return writer.build()


def kernel(release: str = "", **told: object) -> Target:
    """That kernel as a target."""
    return Target.from_btf(kernel_btf(**told), release=release, name="there")  # type: ignore[arg-type]


def types(**told: object) -> Btf:
    """Its types."""
    return Btf.parse(kernel_btf(**told))  # type: ignore[arg-type]
