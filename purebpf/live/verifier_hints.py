"""What to do about a complaint of the verifier, in plain words.

Rules: a remedy is keyed on the kernel's message, whose wording changes between versions, so that a pattern names the
part that stays; it says what to change in the program, not what the verifier thinks. The order is that of the answer.
"""

import re

_HINTS: tuple[tuple[str, str], ...] = (
    (
        r"cannot call GPL|GPL.?compatible|GPL-restricted",
        "the helper is for GPL-compatible programs only: declare "
        'char LICENSE[] SEC("license") = "GPL" (or "Dual MIT/GPL")',
    ),
    (
        r"cannot use helper|unknown func bpf_",
        "this program type may not call the helper (or the kernel is built without it): use another "
        "program or attach type",
    ),
    (
        r"invalid func unknown#",
        "no helper of this kernel has that number: it is newer than the kernel, or no helper call at all",
    ),
    (
        r"combined stack size|stack.*too large|to stack R10 off|looks like the BPF stack limit",
        "a program and the functions it calls share 512 bytes of stack: move large variables into a per-CPU array map",
    ),
    (
        r"infinite loop|back-edge",
        "the verifier sees no end to the loop: give it a bound known at compile time, or use bpf_for() or bpf_loop()",
    ),
    (
        r"program is too large|is too complex|too many states",
        "the verifier walked a million instructions: shorten loops, use bpf_loop(), or split the "
        "program into global functions",
    ),
    (r"_or_null'", "the pointer may be NULL: compare it with NULL before using it"),
    (
        r"invalid access to packet|outside of the packet",
        "compare the packet pointer plus the size of the access with data_end before the access",
    ),
    (
        r"unbounded memory access|unbounded min value|max value is outside|min value is (?:negative"
        r"|outside)|invalid access to map value",
        "the offset may lie outside the memory: check index or length against the size right before its use",
    ),
    (
        r"[Uu]nreleased reference|reference leak|reference has not been acquired",
        "what was acquired (a ring-buffer record, a socket, a task) must be released or submitted on every path",
    ),
    (
        r"invalid mem access '(?:scalar|inv)'",
        "the verifier takes the value for a number, not a pointer: read through it with bpf_probe_read_kernel() or "
        "BPF_CORE_READ(), or get it from a BTF-typed context (tp_btf, fentry)",
    ),
    (r"!read_ok", "the register has no value on some path to this place: initialise the variable, or return a value"),
    (
        r"invalid (?:indirect )?(?:access to|read from) stack",
        "initialise the whole variable, padding included, before its address is passed on",
    ),
    (
        r"pointer .*prohibited|pointer arithmetic|math between|pointer (?:operation|comparison)",
        "pointers allow only adding and subtracting numbers: do the arithmetic on numbers, then add "
        "them to the pointer",
    ),
    (
        r"dereference of modified ctx",
        "the context may be read at constant offsets only: read the field first, then compute",
    ),
    (
        r"invalid bpf_context access|doesn't have \d+-th argument",
        "this program type cannot access that place in its context, or not at that size",
    ),
    (
        r"unreachable insn",
        "some instructions cannot be reached from the entry: remove them or fix the jump before them",
    ),
    (
        r"jump out of range|last insn is not an exit|jump into the middle|invalid jump",
        "the code is cut or joined wrongly: every path must end in exit, and every jump must land inside the function",
    ),
    (
        r"At program exit the register R0|should have been in",
        "the return value must be one that this program type allows",
    ),
    (
        r"calling kernel function \S+ is not allowed|kernel function .*(?:not allowed|cannot be called)",
        "this program type may not call that kernel function, or no program may: of the kernel's functions only those "
        "that it marks for BPF can be called",
    ),
    (
        r"has to have BTF|missing BTF|without BTF|no BTF|in-kernel BTF|must provide btf|kernel BTF",
        "type information is missing: build the object with -g, and run a kernel with CONFIG_DEBUG_INFO_BTF=y",
    ),
    (
        r"is not sleepable|can be sleepable",
        "a program cannot sleep there, and its section name says that it may: take the .s out of the section name",
    ),
    (
        r"[Ss]leepable prog\w* can",
        "a sleepable program may not do this: do it another way, or take the .s out of the section name",
    ),
    (
        r"sleep\w* .*region|non-sleepable context",
        "what may sleep is called outside of the region only: call it before the lock is taken or after it is released",
    ),
    (
        r"non-sleepable prog|(?:must be|a) sleepable",
        "only a sleepable program may do this: use a section name with .s where the type has one",
    ),
    (
        r"is not modifiable",
        "fmod_ret goes only to the hooks security_*() and to functions that the kernel marks for error injection "
        "(CONFIG_FUNCTION_ERROR_INJECTION): use another function, or fexit to look without changing",
    ),
    (
        r"isn't KIND_VAR(?! or)",
        "up to Linux 6.3 a program cannot hold the address of a kernel function that exists, which is what "
        "bpf_ksym_exists() asks for: decide by a constant (.rodata) set before loading, or in programs of their own",
    ),
    (
        r"failed to find the address for kernel symbol",
        "the kernel's types have the variable, and its symbols leave it out: a kernel that is built with "
        "CONFIG_KALLSYMS_ALL has both",
    ),
    (
        r"bpf_rdonly_cast type ID",
        "the kernel has to know the struct by the number: bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(struct "
        "...))",
    ),
    (
        r"expects refcounted|must be referenced|must be a rcu pointer|must be (?:a )?trusted|untrusted_ptr_",
        "the pointer is not one the program holds: acquire it first, or take it from a trusted argument",
    ),
    (r"R\d+ type=\S+ expected=", "the argument is of the wrong kind: pass a pointer to what the function expects"),
    (
        r"progs? cannot use bpf_\w+ yet|progs? cannot use bpf_\{",
        "programs of this type may not use a map whose values hold such a field: use another program type, or a map "
        "without it (atomic operations where a lock guards numbers)",
    ),
    (
        r"-ed region|lock is held|holding a lock|lock .*must be held|unlock is missing|unlock cannot be out of order"
        r"|Locking two",
        "release the lock on every path, and call nothing but what is allowed while it is held",
    ),
    (
        r"unlock of different lock|without taking a lock",
        "what is unlocked must be what was locked: take the lock's address once, and use it for both",
    ),
    (
        r"write into map forbidden|read into map forbidden|\brdonly_",
        "the memory is read-only: constants (.rodata) are set before loading only",
    ),
    (
        r"(?:func|line)_info|insn_off",
        "the debug information (.BTF.ext) does not fit the code: rebuild the object, or strip .BTF.ext from it",
    ),
)
_IN_GLOBAL_FUNCTION = (
    "a global function is verified on its own, for any argument its prototype allows: check the "
    "argument inside, or make "
    "the function static"
)


def hints_for(message: str, *, in_global_function: bool = False) -> tuple[str, ...]:
    """Remedies for a complaint, the most specific first; none for one that nobody wrote a remedy for."""
    found = [remedy for pattern, remedy in _HINTS if re.search(pattern, message)]
    if in_global_function and re.search(r"_or_null'|type=|expected", message):
        found.append(_IN_GLOBAL_FUNCTION)
    return tuple(found)
