"""Which kernels and modules have which kernel functions (kfuncs): hints for errors, never decisions.

Rules: what the kernel's types mark as kernel functions is believed; types without marks (before pahole 1.26) have all
functions, of which the helpers are known to be none. The first row whose pattern fits the name wins, so that narrow
ones stand before wide ones. `since` is the first version that had one of the row's functions.
"""

import re
from typing import Final, NamedTuple

from purebpf.btf import Btf, DeclTag, Kind
from purebpf.btf.names import names_of
from purebpf.helper_ids import Helper


class Provider(NamedTuple):
    """Functions whose names match `names`: the first kernel with any, the option, and the module if it may be one."""

    names: str
    since: str
    config: str
    module: str = ""


_PROVIDERS: Final = (
    Provider(r"bpf_ct_set_nat_info", "6.1", "CONFIG_NF_NAT", "nf_nat"),
    Provider(r"bpf_(skb|xdp)_ct_\w+|bpf_ct_\w+", "5.18", "CONFIG_NF_CONNTRACK", "nf_conntrack"),
    Provider(r"bpf_xdp_flow_lookup", "6.11", "CONFIG_NF_FLOW_TABLE", "nf_flow_table"),
    Provider(r"bpf_skb_(get|set)_fou_encap", "6.4", "CONFIG_NET_FOU", "fou"),
    Provider(r"bpf_skb_(get|set)_xfrm_info", "6.2", "CONFIG_XFRM_INTERFACE", "xfrm_interface"),
    Provider(r"bpf_xdp_(get_xfrm_state|xfrm_state_release)", "6.8", "CONFIG_XFRM"),
    Provider(r"bpf_xdp_metadata_rx_\w+", "6.3", "CONFIG_NET"),
    Provider(r"bpf_qdisc_\w+|bpf_kfree_skb|bpf_skb_get_hash", "6.16", "CONFIG_NET_SCH_BPF"),
    Provider(r"(cubictcp|dctcp|bbr)_\w+", "5.13", "CONFIG_TCP_CONG_CUBIC, _DCTCP or _BBR",
             "tcp_cubic, tcp_dctcp or tcp_bbr"),
    Provider(r"tcp_\w+", "5.13", "CONFIG_BPF_JIT and CONFIG_INET"),
    Provider(r"bpf_sock_destroy", "6.5", "CONFIG_INET"),
    Provider(r"bpf_crypto_\w+", "6.10", "CONFIG_CRYPTO"),
    Provider(r"hid_bpf_\w+", "6.3", "CONFIG_HID_BPF"),
    Provider(r"scx_bpf_\w+", "6.12", "CONFIG_SCHED_CLASS_EXT"),
    Provider(r"bpf_(lookup_user_key|lookup_system_key|key_put)", "6.1", "CONFIG_KEYS"),
    Provider(r"bpf_verify_pkcs7_signature", "6.1", "CONFIG_SYSTEM_DATA_VERIFICATION"),
    Provider(r"bpf_(get|set|remove)_\w*xattr|bpf_path_d_path|bpf_get_task_exe_file|bpf_put_file", "6.8",
             "CONFIG_BPF_LSM"),
    Provider(r"bpf_get_fsverity_digest", "6.8", "CONFIG_FS_VERITY"),
    Provider(r"bpf_(cgroup_\w+|task_get_cgroup1|task_under_cgroup|iter_css_\w+)|cgroup_rstat_\w+", "6.1",
             "CONFIG_CGROUPS"),
    Provider(r"bpf_testmod_\w+|bpf_kfunc_call_test\w*|bpf_iter_testmod_\w+", "5.18", "the kernel's own BPF tests",
             "bpf_testmod, which tools/testing/selftests/bpf builds"),
    Provider(r"bpf_cpumask_\w+", "6.3", ""),
    Provider(r"bpf_(obj_\w+|percpu_obj_\w+|refcount_\w+|list_\w+|rbtree_\w+)", "6.2", ""),
    Provider(r"bpf_dynptr_\w+", "6.4", ""),
    Provider(r"bpf_(rcu_read_lock|rcu_read_unlock)", "6.2", ""),
    Provider(r"bpf_(task_\w+|cast_to_kern_ctx|rdonly_cast)", "6.2", ""),
    Provider(r"bpf_iter_(num|task|task_vma|bits|kmem_cache|dmabuf)_\w+", "6.4", ""),
    Provider(r"bpf_(wq_\w+|preempt_\w+|throw)", "6.7", ""),
    Provider(r"bpf_arena_\w+", "6.9", ""),
    Provider(r"bpf_(local_irq_\w+|copy_from_user_\w+|send_signal_task|get_kmem_cache|res_spin_\w+)", "6.13", ""),
    Provider(r"bpf_(str\w+|stream_\w+)", "6.17", ""),
)  # fmt: skip


def provider_of(name: str) -> str | None:
    """A line that tells what brings kernel function `name`, or None if that is not known."""
    provider = _provider(name)
    if provider is None:
        return None
    text = f"functions of this kind came with Linux {provider.since} or later"
    if provider.config:
        text += f"; they need {provider.config}"
    if provider.module:
        text += f"; they may lie in a module: {provider.module} (modprobe)"
    return text


def module_of(name: str) -> str:
    """The module in which kernel function `name` may lie, "" if it is in the kernel itself or nobody knows."""
    provider = _provider(name)
    return provider.module if provider is not None else ""


def _provider(name: str) -> Provider | None:
    return next((provider for provider in _PROVIDERS if re.fullmatch(provider.names, name)), None)


_MARK: Final = "bpf_kfunc"


def callable_names(*types: Btf) -> list[str]:
    """The functions of these types that a program may call, as far as the types tell them from others."""
    marked = [name for btf in types for name in marked_functions(btf)]
    if marked:
        return marked
    helpers = {f"bpf_{helper.name}" for helper in Helper}
    return [name for btf in types for name in names_of(btf, Kind.FUNC) if name not in helpers]


def marked_functions(btf: Btf) -> list[str]:
    """The functions that are marked as kfuncs, as pahole does since 1.26."""
    tags = (btf[type_id] for type_id in btf.ids_of(Kind.DECL_TAG))
    return [btf.name_of(tag.type) for tag in tags if isinstance(tag, DeclTag) and tag.name == _MARK]
