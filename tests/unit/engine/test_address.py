"""Which engine is spoken to, and what is said when it cannot be used: with real sockets, files and users."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trainconf.engine import address as address_module
from trainconf.engine import client
from trainconf.engine.address import EngineAddress, EngineFacts, explain, explain_missing_source, facts, find, missing_source
from trainconf.engine.client import Engine, EngineError
from trainconf.errors import ContainerEngineError

ROOT = Path(__file__).parents[3]
INFO = {
    "ServerVersion": "27.1", "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"], "CgroupDriver": "systemd",
    "CgroupVersion": "2", "NCPU": 8, "MemTotal": 5, "Runtimes": {"runc": {}, "nvidia": {}}, "OperatingSystem": "Debian",
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".docker").mkdir()
    return tmp_path


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose sockets have names short enough for the kernel."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="tc") as folder:
        yield Path(folder)


def context(folder: Path, name: str, host: object) -> None:
    """What `docker context create` writes."""
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    endpoints = {"docker": {"Host": host, "SkipTLSVerify": False}}
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))


def use(folder: Path, name: str) -> None:
    """What `docker context use` writes."""
    (folder / "config.json").write_text(json.dumps({"auths": {}, "currentContext": name}))


def told(error: ContainerEngineError) -> tuple[str, dict[str, str]]:
    (mistake,) = error.mistakes
    return mistake.what, dict(mistake.facts) | {"hint": mistake.hint}


def refusal(environ: dict[str, str]) -> tuple[str, dict[str, str]]:
    with pytest.raises(ContainerEngineError) as error:
        find(environ)
    return told(error.value)


@contextmanager
def answering(path: Path, answers: dict[str, bytes]) -> Iterator[list[str]]:
    """An engine of a few canned answers by path; what it was asked, in order. What it does not know it never answers."""
    asked: list[str] = []
    open_ones = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            target = connection.recv(65536).split()[1].decode()
            asked.append(target)
            known = next((answer for end, answer in answers.items() if target.endswith(end)), None)
            if known is None:
                open_ones.append(connection)
                continue
            connection.sendall(known)
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in open_ones:
            connection.close()


def http(body: object, *, status: str = "200 OK", headers: str = "Api-Version: 1.45\r\n") -> bytes:
    return f"HTTP/1.0 {status}\r\n{headers}Content-Type: application/json\r\n\r\n{json.dumps(body)}".encode()


def test_the_variable_decides_before_any_context(home: Path) -> None:
    use(home / ".docker", "mine")
    found = find({"HOME": str(home), "DOCKER_HOST": "unix:///x/y.sock", "DOCKER_CONTEXT": "other"})
    assert (found.url, found.source, found.socket) == ("unix:///x/y.sock", "DOCKER_HOST", "/x/y.sock")


def test_a_context_is_named_by_its_variable_or_by_dockers_own_settings(home: Path) -> None:
    docker = home / ".docker"
    context(docker, "desktop-linux", "unix:///home/me/.docker/desktop/docker.sock")
    context(docker, "rootless", "unix:///run/user/1000/docker.sock")
    use(docker, "desktop-linux")
    environ = {"HOME": str(home)}
    assert find(environ).source == f"context desktop-linux ({docker}/config.json)"
    assert find(environ).url == "unix:///home/me/.docker/desktop/docker.sock"
    assert find({**environ, "DOCKER_CONTEXT": "rootless"}).url == "unix:///run/user/1000/docker.sock"
    assert find({**environ, "DOCKER_CONTEXT": "default"}).url == "unix:///var/run/docker.sock"


def test_dockers_folder_may_be_elsewhere(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else where"
    context(elsewhere, "x", "unix:///x.sock")
    use(elsewhere, "x")
    assert find({"HOME": str(home), "DOCKER_CONFIG": str(elsewhere)}).url == "unix:///x.sock"


def test_a_context_leads_where_the_sdk_says_it_does(home: Path) -> None:
    docker = home / ".docker"
    context(docker, "näme of mine", "unix:///some where/docker.sock")
    use(docker, "näme of mine")
    code = "from docker.context import ContextAPI; print(ContextAPI.get_context().Host)"
    answer = subprocess.run(
        [sys.executable, "-c", code], env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.strip() == find({"HOME": str(home)}).url == "unix:///some where/docker.sock"


def test_without_anything_it_is_the_default_socket_or_the_rootless_one_where_only_that_is(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".docker" / "config.json").write_text("{}")
    (tmp_path / "docker.sock").touch()
    environ = {"HOME": str(home), "XDG_RUNTIME_DIR": str(tmp_path)}
    monkeypatch.setattr(address_module, "DEFAULT_SOCKET", str(tmp_path / "there"))
    assert find(environ).url == f"unix://{tmp_path}/docker.sock"
    assert find(environ).source == "the default socket of a rootless engine"
    assert find({"HOME": str(home)}).source == "the default socket"
    (tmp_path / "there").touch()
    assert find(environ).source == "the default socket"


@pytest.mark.parametrize(
    "url", ["tcp://10.0.0.5:2375", "ssh://me@there", "npipe:////./pipe/docker_engine", "http://localhost:2375", "unix://relative", "/x"]
)
def test_an_engine_that_may_be_on_another_machine_is_refused(home: Path, url: str) -> None:
    what, facts_ = refusal({"HOME": str(home), "DOCKER_HOST": url})
    assert what == f"the container engine at {url} is on another machine, or may be"
    assert facts_["from"] == "DOCKER_HOST"
    assert "DOCKER_HOST=unix:///var/run/docker.sock" in facts_["hint"]


def test_a_remote_context_is_refused_with_its_name(home: Path) -> None:
    context(home / ".docker", "gpu-box", "ssh://gpu-box")
    assert refusal({"HOME": str(home), "DOCKER_CONTEXT": "gpu-box"})[1]["from"] == "context gpu-box (DOCKER_CONTEXT)"


def test_a_context_that_is_not_there_or_cannot_be_read_says_which_file(home: Path) -> None:
    docker = home / ".docker"
    what, facts_ = refusal({"HOME": str(home), "DOCKER_CONTEXT": "gone"})
    assert (what, facts_["from"], facts_["path"].startswith(str(docker))) == ("there is no docker context gone", "DOCKER_CONTEXT", True)
    context(docker, "odd", None)
    (docker / "contexts" / "meta" / hashlib.sha256(b"odd").hexdigest() / "meta.json").write_text("[]")
    assert refusal({"HOME": str(home), "DOCKER_CONTEXT": "odd"})[0] == "the docker context odd cannot be read"
    (docker / "config.json").write_text("{")
    assert refusal({"HOME": str(home)})[0] == "docker's own settings cannot be read"


def why(path: Path | str) -> tuple[str, dict[str, str]]:
    found = EngineAddress(f"unix://{path}", "DOCKER_HOST")
    with pytest.raises(ContainerEngineError) as error:
        facts(Engine(found.url), found)
    return told(error.value)


def test_no_engine_a_stopped_one_and_a_silent_one_have_words_of_their_own(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    what, facts_ = why(short / "no")
    assert (what, facts_["address"], facts_["from"]) == ("there is no container engine", f"unix://{short}/no", "DOCKER_HOST")
    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(str(short / "stopped"))
        assert why(short / "stopped")[0] == "no container engine listens on its socket"
    monkeypatch.setattr(client, "PING_SECONDS", 0.2)
    with answering(short / "silent", {}):
        what, facts_ = why(short / "silent")
        assert (what, "timed out" in facts_["because"]) == ("the container engine does not answer", True)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_socket_of_others_says_which_group_to_join(short: Path) -> None:
    short.chmod(0o755)
    with answering(short / "theirs", {"/_ping": http("OK")}):
        (short / "theirs").chmod(0o600)
        code = (
            f"import os, sys; sys.path.insert(0, {str(ROOT)!r})\n"
            "from trainconf.engine.address import *\nfrom trainconf.engine.client import *\n"
            "os.setgroups([]); os.setgid(1234); os.setuid(1234)\n"
            f"at = EngineAddress('unix://{short}/theirs', 'DOCKER_HOST')\n"
            "try: facts(Engine(at.url), at)\nexcept ContainerEngineError as error: print(error.render())\n"
        )
        answer = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert answer.splitlines()[0] == "the container engine's socket refuses you"
    assert f"`ls -l {short}/theirs`" in answer


def test_an_engine_that_is_too_old_says_what_it_speaks(short: Path) -> None:
    with answering(short / "old", {"/_ping": http("OK", headers="Api-Version: 1.39\r\n")}):
        what, facts_ = why(short / "old")
    assert what == "the container engine is too old"
    assert "1.39" in facts_["because"]
    assert "20.10" in facts_["hint"]


def test_an_engine_that_refuses_is_quoted() -> None:
    what, facts_ = told(explain(EngineAddress("unix:///x", "the default socket"), EngineError(500, "no space left on device")))
    assert (what, facts_["because"]) == ("the container engine refuses", "no space left on device")


def test_what_an_engine_says_about_itself_is_asked_once_for_each_socket(short: Path) -> None:
    cache, at = str(short / "cache"), EngineAddress(f"unix://{short}/s", "DOCKER_HOST")
    answers = {"/_ping": http("OK"), "/info": http(INFO)}
    with answering(short / "s", answers) as asked:
        first, second = facts(Engine(at.url), at, cache), facts(Engine(at.url), at, cache)
        assert asked == ["/_ping", "/v1.45/info", "/_ping"]
    assert first.to_dict() == second.to_dict()
    assert (first.is_rootless, first.has_userns_remap, first.runtimes, first.cpu_count) == (True, False, ("nvidia", "runc"), 8)
    (short / "s").unlink()
    rooted = {"/_ping": http("OK"), "/info": http(INFO | {"SecurityOptions": ["name=userns"]})}
    with answering(short / "s", rooted):
        other = facts(Engine(at.url), at, cache)
    assert (other.is_rootless, other.has_userns_remap) == (False, True)


def test_an_engine_that_is_gone_is_noticed_although_it_is_known(short: Path) -> None:
    cache, at = str(short / "cache"), EngineAddress(f"unix://{short}/s", "DOCKER_HOST")
    with answering(short / "s", {"/_ping": http("OK"), "/info": http(INFO)}):
        facts(Engine(at.url), at, cache)
    with pytest.raises(ContainerEngineError, match="listens"):
        facts(Engine(at.url), at, cache)


def test_a_damaged_or_unwritable_cache_costs_no_run(short: Path) -> None:
    (short / "cache").mkdir()
    at = EngineAddress(f"unix://{short}/s", "DOCKER_HOST")
    with answering(short / "s", {"/_ping": http("OK"), "/info": http(INFO)}):
        facts(Engine(at.url), at, str(short / "cache"))
        (kept,) = (short / "cache").iterdir()
        kept.write_text("{")
        assert facts(Engine(at.url), at, str(short / "cache")).version == "27.1"
        assert facts(Engine(at.url), at, str(kept / "below a file")).version == "27.1"


def test_a_folder_the_engine_does_not_see_means_another_machine_unless_it_is_gone(tmp_path: Path) -> None:
    at = EngineAddress("unix:///x", "DOCKER_HOST")
    error = EngineError(400, f'invalid mount config for type "bind": bind source path does not exist: {tmp_path}')
    path = missing_source(error)
    assert path == str(tmp_path)
    assert told(explain_missing_source(at, str(path)))[0] == f"the container engine does not see {tmp_path}, which is here"
    assert told(explain_missing_source(at, f"{tmp_path}/gone"))[0] == f"{tmp_path}/gone is gone: it cannot be mounted"
    assert missing_source(EngineError(409, "Conflict")) is None


@pytest.mark.docker
def test_the_real_engine_says_what_it_is(docker_engine: str) -> None:
    at = EngineAddress(docker_engine, "the test")
    found = facts(Engine(docker_engine), at)
    assert found.version
    assert found.cgroup_version in ("1", "2")
    assert "runc" in found.runtimes
    assert found.cpu_count >= 1
    assert EngineFacts(**(found.to_dict() | {"runtimes": tuple(found.runtimes)})).to_dict() == found.to_dict()
