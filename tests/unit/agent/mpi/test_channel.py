"""Who calls the agent of an MPI run: its ranks are heard whatever others do to it."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ROOT, wait_for
from trainconf.agent.mpi import channel
from trainconf.agent.signals import WAKE_SIGNAL

NEWS = b'{"worker": 0, "news": "heartbeat"}'


@pytest.fixture
def inbox() -> Iterator[deque[tuple[Any, bytes | None]]]:
    before = signal.signal(WAKE_SIGNAL, lambda *_: None)
    yield deque()
    signal.signal(WAKE_SIGNAL, before)


@pytest.fixture
def exchange(inbox: deque[tuple[Any, bytes | None]]) -> Iterator[channel.Exchange]:
    found = channel.Exchange("127.0.0.1", inbox, "127.0.0.1")
    yield found
    found.close()
    for connection in {connection for connection, _ in inbox}:
        connection.close()


def where(exchange: channel.Exchange) -> tuple[str, int]:
    address, port, _ = exchange.variable.split(" ")
    return address, int(port)


def is_sent_away(connection: socket.socket) -> bool:
    """Whether the other end has closed it, and said nothing."""
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_ranks_are_heard_while_a_thousand_strangers_call_and_say_nothing(
    exchange: channel.Exchange, inbox: deque[tuple[Any, bytes | None]]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    strangers = []
    try:
        for number in range(1100):
            strangers.append(socket.create_connection(where(exchange)))
            if number % 275 == 0:
                with channel.connect(exchange.variable) as rank:
                    rank.sendall(NEWS + b"\n")
        wait_for(lambda: sum(line == NEWS for _, line in inbox) == 4)
        wait_for(lambda: sum(map(is_sent_away, strangers)) >= 1100 - channel.MOST_STRANGERS)
    finally:
        for stranger in strangers:
            stranger.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("said", [b"\n", b"x\n", b"x" * 33, b"x" * 32 + b"\n" + NEWS + b"\n"])
def test_who_does_not_know_the_secret_is_sent_away_and_not_listened_to(
    exchange: channel.Exchange, inbox: deque[tuple[Any, bytes | None]], said: bytes
) -> None:
    with socket.create_connection(where(exchange)) as stranger:
        stranger.sendall(said)
        wait_for(lambda: is_sent_away(stranger))
    assert not inbox


def test_who_says_nothing_is_sent_away_after_a_while(exchange: channel.Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "SECRET_SECONDS", 0.2)
    with socket.create_connection(where(exchange)) as stranger:
        stranger.sendall(b"half a sec")
        wait_for(lambda: is_sent_away(stranger))


def test_the_secret_may_come_in_parts(exchange: channel.Exchange, inbox: deque[tuple[Any, bytes | None]]) -> None:
    secret = exchange.variable.split(" ")[2].encode()
    with socket.create_connection(where(exchange)) as rank:
        rank.sendall(secret[:7])
        time.sleep(0.1)
        rank.sendall(secret[7:] + b"\n" + NEWS[:5])
        assert rank.recv(1) == channel.WELCOME
        rank.sendall(NEWS[5:] + b"\n")
        wait_for(lambda: [line for _, line in inbox] == [NEWS])


def test_it_is_heard_at_one_address_only(exchange: channel.Exchange) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", where(exchange)[1]))


FEW_DESCRIPTORS = """
import resource, signal, socket, sys, time
from collections import deque
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from trainconf.agent.mpi import channel
from trainconf.agent.signals import WAKE_SIGNAL
signal.signal(WAKE_SIGNAL, lambda *_: None)
inbox = deque()
exchange = channel.Exchange("127.0.0.1", inbox, "127.0.0.1")
print(exchange.variable, flush=True)
ends = 0
while ends < 60:
    while inbox:
        connection, line = inbox.popleft()
        if line is None:
            ends += 1
            connection.close()
    time.sleep(0.01)
print("all heard", flush=True)
"""


def test_more_callers_than_descriptors_are_heard_one_after_the_other() -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", FEW_DESCRIPTORS], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert agent.stdout is not None
    variable = agent.stdout.readline().strip()

    def call() -> None:
        with channel.connect(variable) as rank:
            rank.sendall(NEWS + b"\n")
            time.sleep(1)  # so long that not all have room

    callers = [threading.Thread(target=call) for _ in range(60)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    out, err = agent.communicate(timeout=300)
    assert "all heard" in out, err
    assert "`ulimit -n` is the limit" in err


def test_the_limit_of_descriptors_is_raised_as_far_as_is_needed_and_allowed() -> None:
    code = (
        "import resource; from trainconf.agent.mpi import channel\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 500))\n"
        "channel.make_room(10); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "channel.make_room(200); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "try: channel.make_room(1000)\n"
        "except OSError as error: print(error.strerror)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    few, many, refused = done.stdout.splitlines()
    assert (few, many) == ("300", "500"), done.stderr
    assert refused == "1000 processes call their run's agent, which needs 1192 descriptors, and the limit (ulimit -Hn) is 500"
    assert "raised from 300 to 500" in done.stderr
