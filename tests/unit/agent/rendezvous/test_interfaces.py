"""Which interface leads to another node, and what has the libraries of a rank use it."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.agent.rendezvous import interfaces

TWO = [("lo", "127.0.0.1"), ("eth0", "10.1.2.3"), ("docker0", "172.17.0.1")]


def test_the_way_to_this_machine_is_the_loopback_and_nobody_knows_the_way_to_nobody() -> None:
    assert ("lo", "127.0.0.1") in interfaces.addresses()
    assert interfaces.toward("127.0.0.1") == ("lo", "127.0.0.1")
    assert interfaces.toward("nobody.invalid") is None
    assert interfaces.network("lo", "127.0.0.1") == "127.0.0.0/8"
    assert interfaces.network("nosuch0", "127.0.0.1") == ""
    assert "lo (127.0.0.1" in interfaces.text()


@pytest.mark.parametrize(
    ("number", "ways", "expected"),
    [
        (1, {"head": TWO[1]}, TWO[1]),
        (0, {"head": TWO[1], "second": TWO[2]}, TWO[1]),
        (0, {"head": TWO[0], "second": TWO[1]}, TWO[1]),  # Debian's 127.0.1.1 for the machine's own name
        (0, {"head": TWO[0], "second": TWO[0]}, TWO[0]),  # nodes of one machine
        (0, {"head": TWO[0]}, TWO[0]),
        (1, {}, None),
    ],
)
def test_nodes_meet_on_the_way_to_the_head(
    monkeypatch: pytest.MonkeyPatch, number: int, ways: dict[str, tuple[str, str]], expected: tuple[str, str] | None
) -> None:
    monkeypatch.setattr(interfaces, "toward", ways.get)
    assert interfaces.toward_peers(["head", "second", "third"], number) == expected


def test_every_library_is_told_in_its_own_words_and_what_was_said_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(interfaces, "_RDMA_FOLDER", str(tmp_path / "none"))
    assert interfaces.variables("pytorch", "eth0", {}) == {"GLOO_SOCKET_IFNAME": "eth0", "NCCL_SOCKET_IFNAME": "=eth0"}
    told = interfaces.variables("mpi", "eth0", {"GLOO_SOCKET_IFNAME": "mine", "OMPI_MCA_btl_tcp_if_exclude": "docker0"})
    assert told == {"NCCL_SOCKET_IFNAME": "=eth0", "FI_TCP_IFACE": "eth0", "UCX_NET_DEVICES": "eth0"}
    monkeypatch.setattr(interfaces, "_RDMA_FOLDER", "/proc")
    assert "UCX_NET_DEVICES" not in interfaces.variables("mpi", "eth0", {}), "UCX would lose what is faster than TCP"


def test_what_open_mpis_own_files_say_of_interfaces_stays(tmp_path: Path) -> None:
    (tmp_path / ".openmpi").mkdir()
    own = "# btl_tcp_if_include = no\n btl_tcp_if_include= ib0\noob_tcp_if_exclude = lo\nbtl = tcp\n"
    (tmp_path / ".openmpi" / "mca-params.conf").write_text(own)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mpirun").touch(mode=0o755)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "prte-mca-params.conf").write_text("prte_if_include = 10.0.0.0/8\n")
    said = interfaces.open_mpi_settings({"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")})
    expected = {"OMPI_MCA_btl_tcp_if_include": "ib0", "OMPI_MCA_oob_tcp_if_exclude": "lo", "PRTE_MCA_prte_if_include": "10.0.0.0/8"}
    assert {name: said.get(name) for name in expected} == expected
    wanted = dict.fromkeys(("OMPI_MCA_oob_tcp_if_include", "OMPI_MCA_btl_tcp_if_include", "PRTE_MCA_prte_if_include"), "eth0")
    assert interfaces.unset(wanted, said) == {}
