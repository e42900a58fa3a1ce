"""Show the IPv4 packets that pass an interface: a socket filter sends their addresses through a ring buffer.

Without an interface it listens on the loopback of a network namespace of its own and sends itself some packets;
nothing else on the machine is seen. Run as root:

    python examples/sockfilter.py
    python examples/sockfilter.py eth0         (until Ctrl-C)
"""

import ctypes
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import purebpf

OBJECT = Path(__file__).resolve().parents[1] / "bpf" / "built" / "sockfilter.bpf.o"
NAMES = {1: "ICMP", 6: "TCP", 17: "UDP"}
WITH_PORTS = (6, 17)
PACKET_OUTGOING = 4
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003


def make_network() -> None:
    """Move this process into a network namespace of its own, in which only the loopback exists."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot make a network namespace")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def send_packets() -> None:
    """A UDP packet to nobody, and a TCP connection refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.sendto(b"hello", ("127.0.0.1", 9))
        tcp.connect_ex(("127.0.0.1", 9))


def line(event: Any) -> str:
    """One packet; addresses and ports stand as they were in the packet, the first byte first."""
    source, destination = (socket.inet_ntoa(a.to_bytes(4, sys.byteorder)) for a in (event.source, event.destination))
    if event.protocol in WITH_PORTS:
        source, destination = (
            f"{host}:{socket.ntohs(port)}" for host, port in zip((source, destination), event.ports, strict=True)
        )
    name = NAMES.get(event.protocol, f"protocol {event.protocol}")
    direction = "sent" if event.packet_type == PACKET_OUTGOING else "received"
    return f"{direction:8}  {name:4}  {event.length:5} bytes  {source} -> {destination}"


def main() -> int:
    """Attach the filter to a raw socket and print what it sees."""
    own = len(sys.argv) < 2
    if own:
        make_network()
    interface = "lo" if own else sys.argv[1]
    with (
        purebpf.load(OBJECT) as sniffer,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as raw,
        sniffer.programs["socket_handler"].attach_socket(raw),
        sniffer.maps["rb"].reader() as events,
    ):
        raw.bind((interface, 0))
        if own:
            send_packets()
        try:
            for event in events.events(timeout=0.5 if own else None):
                print(line(event), flush=True)
        except KeyboardInterrupt:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
