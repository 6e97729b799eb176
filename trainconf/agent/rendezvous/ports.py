"""Ports on this node that nobody else can take while a run uses them, and the address it is reached at.

A reserved port stays bound, but nobody listens on it: the kernel gives it to nobody, and whoever binds without SO_REUSEADDR is refused,
other agents among them. Whoever sets it, as the stores of torch and gRPC do, can listen there.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket

LOWEST, HIGHEST = 10000, 65535  # below are the ports with names
_RANGE_FILE = "/proc/sys/net/ipv4/ip_local_port_range"
_USUAL_RANGE = (32768, 60999)
_SIOCGIFADDR = 0x8915  # netdevice(7)


class Ports:
    """The ports kept for one attempt."""

    def __init__(self) -> None:
        self._kept: list[socket] = []

    def reserve(self, count: int) -> list[int]:
        """Find `count` free ports and keep them. Raises OSError when there are not so many."""
        found: list[int] = []
        candidates = _candidates()
        while len(found) < count:
            port = next(candidates, None)
            if port is None:
                raise OSError(f"{count} free ports were looked for, and {len(found)} found")
            kept = _bound(port)
            if kept is not None:
                self._kept.append(kept)
                found.append(port)
        return found

    def release(self) -> None:
        """Let go of them all."""
        while self._kept:
            self._kept.pop().close()


def address_of(interface: str) -> str:
    """The IPv4 address of a network interface. Raises OSError that says which there are."""
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            answer = fcntl.ioctl(asking, _SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
        except OSError as error:
            there = ", ".join(name for _, name in socket.if_nameindex())
            why = f"there is no network interface {interface} with an address here; there are {there}"
            raise OSError(error.errno, why) from error
    return socket.inet_ntoa(answer[20:24])


def _candidates() -> Iterator[int]:
    """Every port outside the range the kernel gives out by itself, from a place that differs each time; then those inside."""
    import random

    low, high = _ephemeral_range()
    outside = [*range(LOWEST, low), *range(high + 1, HIGHEST + 1)]
    inside = list(range(max(low, LOWEST), high + 1))
    for ports in (outside, inside):
        start = random.SystemRandom().randrange(max(1, len(ports)))
        yield from ports[start:]
        yield from ports[:start]


def _ephemeral_range() -> tuple[int, int]:
    try:
        with open(_RANGE_FILE, encoding="ascii") as stream:
            low, high = map(int, stream.read().split())
    except (OSError, ValueError):
        return _USUAL_RANGE
    return low, high


def _bound(port: int) -> socket | None:
    """A socket bound to the port on every address of this machine; None when somebody has it."""
    import errno
    import socket

    for family, everywhere in ((socket.AF_INET6, "::"), (socket.AF_INET, "")):
        try:
            kept = socket.socket(family, socket.SOCK_STREAM)
        except OSError:  # this kernel has no such addresses
            continue
        try:
            if family == socket.AF_INET6:
                kept.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            kept.bind((everywhere, port))  # without SO_REUSEADDR: nobody else may have it, not even in TIME_WAIT
        except OSError as error:
            kept.close()
            if error.errno in (errno.EADDRNOTAVAIL, errno.ENOPROTOOPT):
                continue
            return None
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # from now on the run's own process may have it, too
        return kept
    return None
