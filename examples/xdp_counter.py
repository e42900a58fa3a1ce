"""Count the packets that arrive at a network interface, by protocol, at the earliest place there is.

Without an interface it makes a network of its own (a namespace with a pair of virtual Ethernet devices), sends some
packets through it and counts them; nothing else on the machine notices. Run as root:

    python examples/xdp_counter.py
    python examples/xdp_counter.py eth0        (until Ctrl-C; packets are only counted)
"""

import ctypes
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "xdp_counter.bpf.o"
NAMES = {0: "other", 1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}
CLONE_NEWNET = 0x40000000
BROADCAST = "10.78.0.255"


def make_network() -> None:
    """Move this process into a network namespace of its own, with two devices joined by a virtual cable."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    for command in (
        "link add near type veth peer name far",
        "address add 10.78.0.1/24 broadcast + dev near",
        "link set near up",
        "link set far up",
    ):
        subprocess.run(["ip", *command.split()], check=True)


def send_packets() -> None:
    """Five UDP packets and three pings, to everybody behind the cable."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp,
    ):
        for sender, payload, times in ((udp, b"hello", 5), (icmp, b"\x08\x00\xf7\xff" + bytes(4), 3)):
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            for _ in range(times):
                sender.sendto(payload, (BROADCAST, 9))


def main() -> int:
    """Count on the interface named, or on one end of a network made for it."""
    own = len(sys.argv) < 2
    if own:
        make_network()
    interface = "far" if own else sys.argv[1]
    with purebpf.load(OBJECT) as counter, counter.programs["count_packets"].attach_xdp(interface):
        with suppress(KeyboardInterrupt):
            send_packets() if own else signal.pause()
        for protocol, cpus in counter.maps["by_protocol"].items():
            packets = sum(traffic.packets for traffic in cpus)
            if packets:
                name = NAMES.get(protocol, f"protocol {protocol}")
                print(f"{name:12} {packets:6} packets {sum(traffic.bytes for traffic in cpus):8} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
