"""The network interfaces of this node: which there are, and which of them leads to another node."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SIOCGIFCONF, _SIOCGIFFLAGS, _SIOCGIFNETMASK = 0x8912, 0x8913, 0x891B  # netdevice(7)
_IFF_RUNNING = 0x40
_IFREQ_BYTES, _MOST_ADDRESSES = 40, 1024
_ANY_PORT = 9  # nothing is sent there
_RDMA_FOLDER = "/sys/class/infiniband"


def addresses() -> list[tuple[str, str]]:
    """Name and address of every interface, IPv4 first. An interface has a line for each address. Raises OSError."""
    import array
    import fcntl
    import socket
    import struct

    space = array.array("B", bytes(_IFREQ_BYTES * _MOST_ADDRESSES))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking, _SIOCGIFCONF, struct.pack("iL", len(space), space.buffer_info()[0]))
    entries = space.tobytes()[: struct.unpack("iL", answer)[0]]
    found = []
    for start in range(0, len(entries), _IFREQ_BYTES):
        label = entries[start : start + 16].partition(b"\0")[0].decode("utf-8", "replace")
        found.append((label.partition(":")[0], socket.inet_ntoa(entries[start + 20 : start + 24])))
    try:
        with open("/proc/net/if_inet6", encoding="ascii") as stream:
            lines = [line.split() for line in stream]
    except OSError:  # this kernel has no IPv6
        return found
    return found + [(words[5], socket.inet_ntop(socket.AF_INET6, bytes.fromhex(words[0]))) for words in lines]


def toward(host: str) -> tuple[str, str] | None:
    """The interface by which `host` is reached, and the address this node has there; None when nobody knows. Sends nothing."""
    import socket

    try:
        for family, kind, _, _, where in socket.getaddrinfo(host, _ANY_PORT, type=socket.SOCK_DGRAM):
            with socket.socket(family, kind) as asking:
                try:
                    asking.connect(where)
                except OSError:  # no route, or an IPv6 that is switched off
                    continue
                own = str(asking.getsockname()[0]).partition("%")[0]
            name = next((name for name, address in addresses() if address == own), None)
            return None if name is None else (name, own)
    except OSError:
        pass
    return None


def toward_peers(nodes: Sequence[str], number: int) -> tuple[str, str] | None:
    """The interface of node `number` that leads to the head, which is the first of `nodes`; on the head, the one of its own name.

    Where the head's name means the loopback on the head itself, as Debian has it, the one that leads to the next node.
    """
    found = toward(nodes[0])
    if number == 0 and len(nodes) > 1 and (found is None or is_loopback(found[1])):
        return toward(nodes[1]) or found
    return found


def network(interface: str, address: str) -> str:
    """The IPv4 network that an interface is in, as in 10.1.0.0/16; empty where there is none."""
    import fcntl
    import socket
    import struct

    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            answer = fcntl.ioctl(asking, _SIOCGIFNETMASK, struct.pack("256s", interface.encode()[:15]))
        mask, own = (struct.unpack("!I", part)[0] for part in (answer[20:24], socket.inet_aton(address)))
    except OSError:
        return ""
    return f"{socket.inet_ntoa(struct.pack('!I', own & mask))}/{mask.bit_count()}"


def is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def text() -> str:
    """All of them with their addresses, for people; without a carrier they are down."""
    import fcntl
    import socket
    import struct

    found: dict[str, list[str]] = {}
    try:
        for name, address in addresses():
            found.setdefault(name, []).append(address)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            for name in found:
                flags = struct.unpack_from("H", fcntl.ioctl(asking, _SIOCGIFFLAGS, struct.pack("256s", name.encode()[:15])), 16)[0]
                found[name] += [] if flags & _IFF_RUNNING else ["down"]
    except OSError as error:
        return f"they cannot be listed: {error.strerror}"
    return ", ".join(f"{name} ({' '.join(known)})" for name, known in found.items())


def variables(kind: str, interface: str, known: Mapping[str, str]) -> dict[str, str]:
    """Variables that have the libraries of a rank meet on `interface`. Each library has its own name for that. What is `known` stands."""
    wanted = {"GLOO_SOCKET_IFNAME": interface, "NCCL_SOCKET_IFNAME": f"={interface}"}
    if kind == "mpi":
        wanted |= {"OMPI_MCA_btl_tcp_if_include": interface, "FI_TCP_IFACE": interface}
        if not _has_rdma():
            wanted["UCX_NET_DEVICES"] = interface
    return unset(wanted, known)


def unset(wanted: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """The wanted variables that are not `known`. Open MPI refuses to be given both what to include and what to exclude."""
    return {name: value for name, value in wanted.items() if name not in known and name.replace("_include", "_exclude") not in known}


def open_mpi_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """What Open MPI's parameter files say of interfaces, as variables: the user's, and those of the installation whose mpirun comes first.

    A variable would win over them (https://docs.open-mpi.org/en/v5.0.x/mca.html).
    """
    import re
    import shutil

    home = environ.get("HOME", "")
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(shutil.which("mpirun", path=environ.get("PATH")) or "/")))
    places = {
        "OMPI_MCA_": (f"{home}/.openmpi/mca-params.conf", f"{prefix}/etc/openmpi-mca-params.conf", "/etc/openmpi/openmpi-mca-params.conf"),
        "PRTE_MCA_": (f"{home}/.prte/mca-params.conf", f"{prefix}/etc/prte-mca-params.conf"),
    }
    found: dict[str, str] = {}
    for beginning, paths in places.items():
        for path in paths:
            try:
                with open(path, encoding="utf-8", errors="replace") as stream:
                    text = stream.read()
            except OSError:
                continue
            found |= {beginning + name: value for name, value in re.findall(r"(?m)^\s*(\w+_if_(?:in|ex)clude)\s*=\s*(.*)$", text)}
    return found


def _has_rdma() -> bool:
    """Whether UCX would have something faster than TCP here, which the name of an interface would take from it."""
    try:
        return bool(os.listdir(_RDMA_FOLDER))
    except OSError:
        return False
