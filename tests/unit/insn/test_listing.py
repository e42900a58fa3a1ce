from purebpf.insn import Names, annotate, assemble_text

CODE = assemble_text(
    """
    ld_pseudo r1, 0x1, 0x7
    r2 = 0x10 ll
    call 0x1
    call sub
    call kfunc 0x99
    if r0 == 0x0 goto out
    r1 = *(u32 *)(r1 + 0x8)
out:
    exit
sub:
    exit
    """
)


def test_numbers_stand_where_nobody_gave_a_name() -> None:
    assert annotate(CODE) == [
        "     0: ld_pseudo r1, 0x1, 0x7",
        "     2: r2 = 0x10 ll",
        "     4: call 0x1",
        "     5: call pc+0x4 <10>",
        "     6: call kfunc 0x99",
        "     7: if r0 == 0x0 goto +0x1 <9>",
        "     8: r1 = *(u32 *)(r1 + 0x8)",
        "     9: exit",
        "    10: exit",
    ]


def test_names_take_the_place_of_numbers() -> None:
    names = Names(
        helpers={1: "bpf_map_lookup_elem"},
        functions={0: "main", 10: "sub"},
        references={0: "map events", 2: "bss", 6: "kfunc bpf_task_release", 8: "byte_off task_struct.pid"},
        source={0: "int main(void)", 9: "return 0;"},
    )
    assert annotate(CODE, names=names) == [
        "main:",
        "; int main(void)",
        "     0: r1 = map events ll",
        "     2: r2 = bss + 0x10 ll",
        "     4: call bpf_map_lookup_elem#1",
        "     5: call sub <10>",
        "     6: call kfunc bpf_task_release",
        "     7: if r0 == 0x0 goto +0x1 <9>",
        "     8: r1 = *(u32 *)(r1 + 0x8)  ; byte_off task_struct.pid",
        "; return 0;",
        "     9: exit",
        "sub:",
        "    10: exit",
    ]


def test_a_listing_reads_both_byte_orders_and_any_bytes() -> None:
    big = assemble_text("call 0x1", "big")
    assert annotate(big, "big", Names(helpers={1: "bpf_map_lookup_elem"})) == ["     0: call bpf_map_lookup_elem#1"]
    assert annotate(b"\xff\x01")[0].endswith(".byte 0xff, 0x01")
