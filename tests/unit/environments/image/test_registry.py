"""A registry with a password: the engine fetches from it with the credentials of this process, and nothing keeps them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from trainconf.engine.client import Engine
from trainconf.environments.image import fetch
from trainconf.environments.image.find import inspect
from trainconf.errors import BuildError
from trainconf.reporter import SILENT, Lines

pytestmark = pytest.mark.docker

USER, PASSWORD = "ada", "s3cret-of-ada"
TYPE = "application/vnd.docker."


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Registry:
    """The pulling half of Docker's registry API, version 2, with one image `team/private:1` and one user."""

    def __init__(self) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("from-a-private-registry"))
        tree = stream.getvalue()
        layer = gzip.compress(tree, mtime=0)
        config = json.dumps(
            {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [sha256(tree)]}}
        ).encode()
        parts = {
            "config": {"mediaType": TYPE + "container.image.v1+json", "size": len(config), "digest": sha256(config)},
            "layers": [{"mediaType": TYPE + "image.rootfs.diff.tar.gzip", "size": len(layer), "digest": sha256(layer)}],
        }
        manifest = json.dumps({"schemaVersion": 2, "mediaType": TYPE + "distribution.manifest.v2+json", **parts}).encode()
        self.blobs = {sha256(data): data for data in (config, layer, manifest)}
        self.manifest = sha256(manifest)
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.answer(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        is_known = request.headers.get("Authorization") == wanted
        name = request.path.rpartition("/")[2]
        data = self.blobs.get(self.manifest if name == "1" else name, b"") if is_known and name else b"{}"
        request.send_response(200 if is_known and data else 404 if is_known else 401)
        request.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if not is_known:
            request.send_header("WWW-Authenticate", 'Basic realm="test"')
        if "/manifests/" in request.path:
            request.send_header("Content-Type", TYPE + "distribution.manifest.v2+json")
            request.send_header("Docker-Content-Digest", self.manifest)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(data)


@pytest.fixture
def registry(docker_engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Registry]:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))  # nobody has logged in
    monkeypatch.setattr(fetch, "_logins", {})
    found = Registry()
    thread = threading.Thread(target=found.server.serve_forever, daemon=True)
    thread.start()
    yield found
    found.server.shutdown()
    found.server.server_close()
    thread.join()


def test_a_private_registry_is_asked_with_the_credentials_of_this_process(registry: Registry, docker_engine: str, tmp_path: Path) -> None:
    engine, name = Engine(docker_engine), f"{registry.address}/team/private:1"
    said: list[str] = []
    with pytest.raises(BuildError, match="cannot be pulled"):
        fetch.pull(engine, name, Lines(said.append), "env.docker.image")
    fetch.log_in(registry.address, USER, PASSWORD)
    try:
        fetch.pull(engine, name, Lines(said.append), "env.docker.image")
        assert inspect(engine, name) is not None
    finally:
        engine.delete(f"/images/{name}")
    assert not (tmp_path / "docker").exists()  # where `docker login` would have kept them
    assert PASSWORD not in "".join(said)


def test_wrong_credentials_are_told_without_the_password(registry: Registry, docker_engine: str) -> None:
    fetch.log_in(registry.address, USER, "wrong-one")
    with pytest.raises(BuildError, match=f"the registry {registry.address} refuses the user {USER}") as caught:
        fetch.pull(Engine(docker_engine), f"{registry.address}/team/private:1", SILENT, "env.docker.image")
    assert "wrong-one" not in caught.value.render()


def test_another_registry_does_not_hear_of_them(registry: Registry, docker_engine: str) -> None:
    fetch.log_in("127.0.0.1:1", USER, PASSWORD)
    with pytest.raises(BuildError, match="cannot be pulled"):
        fetch.pull(Engine(docker_engine), f"{registry.address}/team/private:1", SILENT, "env.docker.image")
