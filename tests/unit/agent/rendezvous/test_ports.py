"""Reserved ports are nobody else's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainconf.agent.rendezvous import ports
from trainconf.agent.rendezvous.ports import Ports, address_of


@pytest.fixture
def kept() -> Iterator[Ports]:
    found = Ports()
    yield found
    found.release()


def listen(port: int, *options: int, host: str = "127.0.0.1") -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        for option in options:
            server.setsockopt(socket.SOL_SOCKET, option, 1)
        server.bind((host, port))
        server.listen()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1"])
def test_only_who_says_that_the_address_may_be_in_use_can_listen_on_a_reserved_port(kept: Ports, host: str) -> None:
    (port,) = kept.reserve(1)
    with pytest.raises(OSError, match="in use"):
        listen(port, host=host)
    listen(port, socket.SO_REUSEADDR, host=host)  # as torch's store does
    listen(port, socket.SO_REUSEADDR, socket.SO_REUSEPORT, host=host)  # as gRPC does


def test_many_reservations_never_hold_the_same_port(kept: Ports) -> None:
    others = [Ports() for _ in range(50)]
    found = [port for each in others for port in each.reserve(4)]
    assert len(set(found)) == 200
    for each in others:
        each.release()
    listen(found[0])


def test_ports_lie_outside_the_range_that_the_kernel_gives_out(kept: Ports) -> None:
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert all(port >= ports.LOWEST and not low <= port <= high for port in kept.reserve(100))


def test_a_port_that_somebody_listens_on_is_passed_over(kept: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        (free,) = kept.reserve(1)
        kept.release()
        monkeypatch.setattr(ports, "_candidates", lambda: iter([taken, free]))
        assert kept.reserve(1) == [free]


def test_when_all_are_taken_it_says_how_many_were_found(kept: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    free = kept.reserve(1)
    kept.release()
    monkeypatch.setattr(ports, "_candidates", lambda: iter(free))
    with pytest.raises(OSError, match="2 free ports were looked for, and 1 found"):
        kept.reserve(2)


def test_a_reservation_ends_with_its_owner_and_not_with_the_jobs_it_starts(kept: Ports) -> None:
    kept.reserve(1)
    assert not any(each.get_inheritable() for each in kept._kept)


def test_the_address_of_an_interface_is_its_own_and_a_missing_one_is_told_with_those_there_are() -> None:
    assert address_of("lo") == "127.0.0.1"
    with pytest.raises(OSError, match=r"no network interface ib9 .* there are .*lo"):
        address_of("ib9")
