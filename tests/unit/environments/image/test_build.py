"""Images on a real engine, from wheels made by hand: made once, found again, whole or not at all, and nothing secret in them."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import wait_for
from trainconf.engine.client import Engine, EngineError
from trainconf.environments import Prepared, ensure, locate, read_recipe
from trainconf.environments.image.find import inspect
from trainconf.environments.image.leftovers import BUILD_LABEL, build_label
from trainconf.environments.lock import lock
from trainconf.environments.removal import sweep_image_leftovers
from trainconf.environments.store import ls
from trainconf.errors import BuildError, ContainerEngineError, EnvironmentRecipeError
from trainconf.reporter import Lines
from trainconf.spec import EnvironmentSpec

from ..conftest import Starter, Workspace, make_wheel

pytestmark = pytest.mark.docker

BUSYBOX, EMPTY = "trainconf-testbed/busybox:1", "trainconf-testbed/empty:1"
LINKS = ["--no-index", "--find-links wheels"]
ENSURE = """
import json, sys
from trainconf.environments import EnvironmentRequest, ensure, read_recipe
from trainconf.paths import WorkspacePaths
from trainconf.reporter import Lines
root, env = sys.argv[1], json.loads(sys.argv[2])
spec = read_recipe(env, root, [], as_image=True)
print("ready", flush=True)
def report(line):
    print(line, flush=True)
prepared = ensure(EnvironmentRequest(spec, WorkspacePaths(root), "test", Lines(report), image_build=env["docker"].get("build")))
print("built" if prepared.built else "reused", flush=True)
"""
SLOW_BACKEND = """
import os, time
def build_wheel(*_, **__):
    print("the backend works", flush=True)
    time.sleep(600)
"""


# Writes beside its sources, as setuptools does.
BACKEND = """
import zipfile
def build_wheel(folder, *_, **__):
    open("written", "w").close()
    name = "delta-3-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as archive:
        archive.writestr("delta.py", "x = 'imported'")
        archive.writestr("delta-3.dist-info/METADATA", "Metadata-Version: 2.1\\nName: delta\\nVersion: 3\\n")
        archive.writestr("delta-3.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr("delta-3.dist-info/RECORD", "")
    return name
"""


class Images(Workspace):
    """A workspace whose recipes become images on the testbed's base image."""

    def __init__(self, root: str, engine: str, base: str) -> None:
        super().__init__(root)
        self.engine = Engine(engine)
        self.docker: dict[str, Any] = {"base_image": base}

    def spec(self, **env: Any) -> EnvironmentSpec:
        env.setdefault("docker", self.docker)
        spec = read_recipe(env, self.root, self.mistakes, as_image=True)
        assert [mistake.render() for mistake in self.mistakes] == []
        return spec

    def make(self, spec: EnvironmentSpec, name: str = "test", **build: Any) -> Prepared:
        made = ensure(self.request(spec, name, **build))
        made.release()
        return made

    def image(self, prepared: Prepared) -> dict[str, Any]:
        return dict(self.engine.get(f"/images/{prepared.image}/json"))

    def run(self, prepared: Prepared, *argv: str, user: str = "1234:1234") -> str:
        done = subprocess.run(
            ["docker", "run", "--rm", "--network=none", f"--user={user}", prepared.image, *argv],
            capture_output=True, text=True, timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def engine_has(self) -> list[str]:
        """Containers, and images without a name that nothing is built on, of this workspace's builds."""
        label = build_label(self.paths, "").rstrip("-")
        things = self.engine.get("/containers/json", {"all": True, "filters": {"label": [BUILD_LABEL]}})
        things += self.engine.get("/images/json", {"filters": {"label": [BUILD_LABEL], "dangling": ["true"]}})
        return [thing["Id"] for thing in things if thing["Labels"][BUILD_LABEL].startswith(label)]

    def clear(self) -> None:
        for built in ls(self.paths):
            self.rm(built.hash)
        sweep_image_leftovers(self.paths)


@pytest.fixture
def images(tmp_path: Path, docker_engine: str, docker_base_image: str) -> Iterator[Images]:
    found = Images(str(tmp_path / "work"), docker_engine, docker_base_image)
    make_wheel(Path(found.root, "wheels"), "alpha", "1.0", requires="beta")
    for name, version in (("beta", "1.0"), ("beta", "2.0"), ("gamma", "1.0"), ("gamma", "2.0")):
        make_wheel(Path(found.root, "wheels"), name, version)
    yield found
    found.clear()
    assert found.engine_has() == []


def test_an_image_is_made_once_and_then_found(images: Images) -> None:
    spec = images.spec(requirements=[*LINKS, "alpha"])
    assert locate(images.request(spec))[1] == "will be built"
    made = images.make(spec)
    images.reported.clear()
    again = images.make(spec, name="other")
    assert (made.built, again.built, again.image, again.lock_text) == (True, False, made.image, made.lock_text)
    assert images.reported == []
    assert locate(images.request(spec))[1] == "ready"
    assert images.run(made, made.python, "-c", "import alpha, beta, sys; print(sys.prefix)") == "/opt/trainconf/env"
    assert images.run(made, "alpha-hello") == "'/opt/trainconf/env'"  # programs of the environment are on PATH


def test_the_lock_tells_image_base_python_and_packages(images: Images) -> None:
    made = images.make(images.spec(requirements=[*LINKS, "alpha"]))
    base = images.engine.get(f"/images/{images.docker['base_image']}/json")
    image, base_line, python, *packages = made.lock_text.splitlines()
    assert image == f"# image {ls(images.paths)[0].image} {made.image}"  # type: ignore[attr-defined]
    assert base_line.startswith(f"# base {images.docker['base_image']} {base['Id']}")
    assert python.startswith("# python 3.")
    assert {"alpha==1.0", "beta==2.0"} <= set(packages)


def test_a_changed_line_leaves_the_layers_below_it_alone(images: Images) -> None:
    first = images.image(images.make(images.spec(requirements=[*LINKS, "alpha", "gamma==1.0"])))
    images.reported.clear()
    second = images.image(images.make(images.spec(requirements=[*LINKS, "alpha", "gamma==2.0"])))
    assert [line for line in images.reported if line.startswith("installing layer")] == ["installing layer 2 of 2: gamma==2.0"]
    assert first["RootFS"]["Layers"][:-1] == second["RootFS"]["Layers"][:-1]


def test_a_layer_has_the_versions_that_all_lines_agree_on(images: Images) -> None:
    made = images.make(images.spec(requirements=[*LINKS, "alpha", "gamma", "beta<2"]))
    assert "installing layer 1 of 2: alpha==1.0, beta==1.0" in images.reported
    assert "beta==1.0" in made.lock_text


def test_hashes_of_a_lock_file_are_checked(images: Images) -> None:
    import hashlib

    lines = []
    for name in ("alpha-1.0", "beta-2.0"):
        digest = hashlib.sha256(Path(images.root, "wheels", f"{name}-py3-none-any.whl").read_bytes()).hexdigest()
        lines.append(f"{name.replace('-', '==')} --hash=sha256:{digest}")
    assert "beta==2.0" in images.make(images.spec(requirements=[*LINKS, *lines])).lock_text
    with pytest.raises(BuildError, match="DO NOT MATCH THE HASHES"):
        images.make(images.spec(requirements=[*LINKS, lines[0], lines[1][:-4] + "0000"]))


def test_a_proxy_is_taken_from_dockers_own_settings(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Path(images.root, "config")
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"proxies": {"default": {"httpsProxy": "http://127.0.0.1:1"}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(config))
    with pytest.raises(BuildError, match="roxy"):
        images.make(images.spec(requirements=["beta"]), network="host")


@pytest.mark.parametrize("key", ["ca_file", "pip_config"])
def test_a_missing_file_of_the_builds_settings_is_told(images: Images, key: str) -> None:
    with pytest.raises(EnvironmentRecipeError, match=rf"env\.docker\.build\.{key} does not exist"):
        images.make(images.spec(requirements=[*LINKS, "beta"]), **{key: "nowhere"})
    assert images.engine_has() == []


def test_a_name_that_was_moved_is_not_believed(images: Images) -> None:
    spec = images.spec(requirements=[*LINKS, "beta"])
    made = images.make(spec)
    tag = str(ls(images.paths)[0].metadata["image"])
    repository, _, version = tag.partition(":")
    images.engine.post(f"/images/{BUSYBOX}/tag", {"repo": repository, "tag": version})
    assert images.make(spec).image == made.image  # its id is what is asked for
    os.unlink(Path(ls(images.paths)[0].folder, "trainconf-environment.json"))
    again = images.make(spec)
    assert again.built
    assert images.run(again, again.python, "-c", "import beta; print('there')") == "there"
    images.engine.delete(f"/images/{made.image}", {"noprune": True})


def test_an_image_the_engine_lost_is_made_again(images: Images) -> None:
    spec = images.spec(requirements=[*LINKS, "beta"])
    made = images.make(spec)
    images.engine.delete(f"/images/{made.image}", {"force": True})
    assert images.make(spec).built


def test_an_image_whose_account_is_lost_is_taken_as_it_is(images: Images) -> None:
    spec = images.spec(requirements=[*LINKS, "beta"])
    made = images.make(spec)
    os.unlink(Path(ls(images.paths)[0].folder, "trainconf-environment.json"))
    again = images.make(spec)
    assert (again.built, again.image, again.lock_text) == (False, made.image, made.lock_text)


def test_nothing_that_a_build_is_given_is_in_the_image(images: Images, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INDEX_TOKEN", "hunter2-variable")
    Path(images.root, "my pip.conf").write_text("[global]\nno-index = true\nextra-index-url = https://u:hunter2-file@index.invalid/\n")
    Path(images.root, "ca.pem").write_text("hunter2-ca\n")
    spec = images.spec(requirements=["--find-links wheels", "--extra-index-url https://u:${INDEX_TOKEN}@index.invalid/", "beta"])
    made = images.make(spec, pip_config="my pip.conf", ca_file="ca.pem", network="none")
    told = json.dumps([images.image(made), images.engine.get(f"/images/{made.image}/history")])
    archive = subprocess.run(["docker", "save", made.image], capture_output=True, check=True).stdout
    for hidden in ("hunter2", "my pip.conf", images.root):
        assert hidden not in told
        assert hidden.encode() not in archive
    assert not [line for line in images.reported if "hunter2" in line]


def test_a_failed_build_leaves_nothing_and_says_what_the_installer_said(images: Images) -> None:
    with pytest.raises(BuildError, match="No matching distribution found for nowhere") as caught:
        images.make(images.spec(requirements=[*LINKS, "beta", "nowhere"]))
    assert "cannot be resolved" in str(caught.value)
    broken = Path(images.root, "broken")
    broken.mkdir()
    (broken / "setup.py").write_text("raise SystemExit('this package is broken')\n")
    with pytest.raises(BuildError, match="this package is broken"):
        images.make(images.spec(requirements=[*LINKS, "beta", "./broken"]))
    assert images.engine_has() == []
    assert set(os.listdir(images.paths.envs)) == {".locks"}


def test_requirements_that_exclude_each_other_are_told_as_such(images: Images) -> None:
    with pytest.raises(BuildError, match="ResolutionImpossible") as caught:
        images.make(images.spec(requirements=[*LINKS, "beta==1.0", "beta==2.0"]))
    assert "exclude each other" in caught.value.render()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_ended_leaves_nothing(images: Images, start: Starter, sign: signal.Signals) -> None:
    package = Path(images.root, "slow")
    package.mkdir()
    (package / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n")
    (package / "backend.py").write_text(SLOW_BACKEND)
    builder = start(ENSURE, images.root, json.dumps({"docker": images.docker, "requirements": [*LINKS, "beta", "./slow"]}))
    assert builder.stdout is not None
    assert any(b"resolving" in line for line in iter(builder.stdout.readline, b""))
    wait_for(images.engine_has)
    builder.send_signal(sign)
    builder.communicate()
    if sign == signal.SIGKILL:
        assert any("a build container of" in what for what in sweep_image_leftovers(images.paths))
    assert images.engine_has() == []


# Told of the last step, its reader interrupts at once; or the step is at work by then.
AT_ONCE = """
    global steps
    steps = line.startswith("Step ") + globals().get("steps", 0)
    if steps == 3 and "Running in" in line: raise KeyboardInterrupt
"""


@pytest.mark.parametrize("is_at_once", [True, False])
def test_a_dockerfile_that_is_interrupted_leaves_none_of_its_steps(images: Images, start: Starter, is_at_once: bool) -> None:
    mark = os.urandom(8).hex()
    Path(images.root, "Dockerfile").write_text(f"FROM {images.docker['base_image']}\nRUN : {mark}\nRUN : {mark}; sleep 600\n")
    program = ENSURE.replace("    print(line, flush=True)\n", f"    print(line, flush=True){AT_ONCE}") if is_at_once else ENSURE
    builder = start(program, images.root, json.dumps({"docker": {"dockerfile": "Dockerfile"}}))
    assert builder.stdout is not None
    said = iter(builder.stdout.readline, b"")
    until_the_last_step = [*itertools.takewhile(lambda line: b"; sleep 600" not in line, said)]
    step, container = until_the_last_step[-1].split()[-1].decode(), next(said).split()[-1].decode()
    if not is_at_once:
        assert inspect(images.engine, step) is not None
        builder.send_signal(signal.SIGINT)
    builder.communicate(timeout=300)
    assert inspect(images.engine, step) is None
    assert images.engine.get("/containers/json", {"all": True, "filters": {"id": [container]}}) == []


def test_two_at_once_make_one_image(images: Images, start: Starter) -> None:
    env = json.dumps({"docker": images.docker, "requirements": [*LINKS, "alpha"]})
    both = [start(ENSURE, images.root, env) for _ in range(2)]
    said = sorted(builder.communicate()[0].decode().splitlines()[-1] for builder in both)
    assert said == ["built", "reused"]


HOSTILE = ["with space", "quo'te\"s", "new\nline", "per%cent", "$(touch x)"]


# A name that is no text is built in another folder, so it is a case of its own.
@pytest.mark.parametrize("name", ["".join(HOSTILE), b"by\xfftes", *(pytest.param(name, marks=pytest.mark.nightly) for name in HOSTILE)])
def test_a_workspace_may_have_any_name(tmp_path: Path, docker_engine: str, docker_base_image: str, name: str | bytes) -> None:
    images = Images(os.path.join(str(tmp_path), os.fsdecode(name)), docker_engine, docker_base_image)
    make_wheel(Path(images.root, "my wheels"), "beta")
    package = Path(images.root, "pack age")
    package.mkdir()
    (package / "pyproject.toml").write_text("[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n")
    (package / "backend.py").write_text(BACKEND)
    try:
        made = images.make(images.spec(requirements=["--no-index", "./my wheels/beta-1.0-py3-none-any.whl", "./pack age"]))
        assert images.run(made, made.python, "-c", "import beta, delta; print(delta.x)") == "imported"
        assert sorted(os.listdir(package)) == ["backend.py", "pyproject.toml"]  # nothing was built into it
    finally:
        images.clear()


def test_a_dockerfile_gets_exactly_the_files_it_may_have(images: Images) -> None:
    context = Path(images.root, "con text")
    (context / ".git").mkdir(parents=True)
    (context / ".dockerignore").write_text("secret*\nDocker*\n")
    for file in ("secret.txt", "kept $(x).txt"):
        (context / file).write_text(file)
    (context / "Dockerfile").write_text(f"FROM {images.docker['base_image']}\nARG WHO\nCOPY . /context\nRUN echo $WHO > /who\nUSER 77\n")
    docker = {"dockerfile": "con text/Dockerfile", "build_context": "con text", "build": {"args": {"WHO": "me"}}}
    made = images.make(images.spec(docker=docker, requirements=[*LINKS, "beta"]))
    assert images.run(made, "sh", "-c", "cat /who; ls -A /context") == "me\nkept $(x).txt"
    assert images.image(made)["Config"]["User"] == "77"
    spec = images.spec(docker=docker)
    (context / "kept $(x).txt").write_text("other")
    with pytest.raises(EnvironmentRecipeError, match="has changed since the run was specified"):
        images.make(spec)


def test_a_dockerfile_that_is_written_out_is_built(images: Images) -> None:
    context = Path(images.root, "ctx")
    context.mkdir()
    (context / "a.txt").write_text("a")
    (context / "b.txt").write_text("b")
    (context / ".dockerignore").write_text("b.txt\n")
    text = f"FROM {images.docker['base_image']}\nCOPY . /context\n"
    made = images.make(images.spec(docker={"dockerfile": text, "build_context": "ctx"}, requirements=[*LINKS, "beta"]))
    assert images.run(made, made.python, "-c", "import beta, os; print(os.listdir('/context'))") == "['a.txt']"
    assert made.lock_text.splitlines()[1].startswith("# base env.docker.dockerfile sha256:")
    with pytest.raises(BuildError, match=r"the Dockerfile env\.docker\.dockerfile fails at step 2 of 2"):
        images.make(images.spec(docker={"dockerfile": f"FROM {images.docker['base_image']}\nRUN exit 3"}))


def test_a_dockerfile_that_fails_tells_the_step(images: Images) -> None:
    Path(images.root, "Dockerfile").write_text(f"FROM {images.docker['base_image']}\nRUN true\nRUN echo so far; echo red >&2; exit 3\n")
    with pytest.raises(BuildError) as caught:
        images.make(images.spec(docker={"dockerfile": "Dockerfile"}))
    told = caught.value.render()
    assert "fails at step 3 of 3" in told
    assert "command  RUN echo so far; echo red >&2; exit 3" in told
    assert "so far" in told
    assert re.search(r"^ +red$", told, re.MULTILINE)  # the engine sends it in colour


def test_an_image_used_as_it_is_is_recorded_by_its_id(images: Images) -> None:
    spec = images.spec(docker={"image": images.docker["base_image"]})
    made = images.make(spec)
    known = images.engine.get(f"/images/{images.docker['base_image']}/json")
    assert spec.software_id == known["Id"] == made.image
    assert made.python.startswith("/")
    assert not made.built
    images.rm(ls(images.paths)[0].hash)
    assert images.engine.get(f"/images/{images.docker['base_image']}/json")["Id"] == known["Id"]  # it was not ours to remove


def test_an_image_without_python_runs_commands(images: Images) -> None:
    made = images.make(images.spec(docker={"image": BUSYBOX}))
    assert (made.python, made.lock_text.splitlines()[-1]) == ("", "# python none")
    with pytest.raises(EnvironmentRecipeError, match="has no Python"):
        images.make(images.spec(docker={"base_image": BUSYBOX}, requirements=[*LINKS, "beta"]))


def test_an_image_without_a_shell_is_refused(images: Images) -> None:
    with pytest.raises(EnvironmentRecipeError, match="has no shell"):
        images.make(images.spec(docker={"image": EMPTY}))


def test_another_python_than_was_asked_for_is_refused(images: Images) -> None:
    with pytest.raises(EnvironmentRecipeError, match=r"not the 3\.8 that was asked for"):
        images.make(images.spec(python={"version": "3.8"}, requirements=[*LINKS, "beta"]))


def test_an_image_that_cannot_be_pulled_says_which_and_from_where(images: Images) -> None:
    with pytest.raises(BuildError) as caught:
        images.make(images.spec(docker={"base_image": "localhost:1/no/such:thing"}))
    told = caught.value.render()
    assert "image localhost:1/no/such:thing cannot be pulled" in told
    assert "registry         localhost:1" in told
    assert "env.docker.base_image" in told


def test_what_the_base_image_has_stays_visible(images: Images) -> None:
    Path(images.root, "Dockerfile").write_text(
        f"FROM {images.docker['base_image']}\nRUN python -m venv --without-pip --system-site-packages /opt/vendor && \\\n"
        "  echo 'x = 42' > $(/opt/vendor/bin/python -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))')/vendor.py\n"
        "ENV PATH=/opt/vendor/bin:$PATH\n"
    )
    made = images.make(images.spec(docker={"dockerfile": "Dockerfile"}, requirements=[*LINKS, "beta"]))
    assert images.run(made, made.python, "-c", "import vendor, beta; print(vendor.x)") == "42"


def test_what_lock_writes_is_a_recipe_of_both_kinds(images: Images) -> None:
    env = {"docker": images.docker, "name": "test", "requirements": [*LINKS, "alpha", "./wheels/gamma-1.0-py3-none-any.whl"]}
    text = lock(env, images.root, reporter=Lines(images.reported.append), as_image=True)
    base = images.engine.get(f"/images/{images.docker['base_image']}/json")
    assert (base["RepoDigests"] or [base["Id"]])[0] in text.splitlines()[1]
    assert text.splitlines()[2:4] == ["--no-index", "--find-links ./wheels"]
    assert text.splitlines()[4:] == ["./wheels/gamma-1.0-py3-none-any.whl", "alpha==1.0", "beta==2.0"]
    Path(images.root, "lock.txt").write_text(text)
    made = images.make(images.spec(requirements_file="lock.txt"))
    assert "beta==2.0" in made.lock_text
    venv = read_recipe({"requirements_file": "lock.txt"}, images.root, [])
    assert "alpha==1.0" in images.ensure(venv).lock_text


def test_an_unfinished_run_keeps_its_image(images: Images) -> None:
    from trainconf import files

    made = images.make(images.spec())
    run = images.paths.run("demo", "demo-1")
    os.makedirs(run.run_dir)
    Path(run.plan).write_text(json.dumps({"ranks": [{"container": {"Image": made.image}}]}))
    with files.FileLock(run.lock), pytest.raises(EnvironmentRecipeError, match="is in use"):
        images.rm(ls(images.paths)[0].hash)
    images.rm(ls(images.paths)[0].hash)
    with pytest.raises(EngineError):
        images.engine.get(f"/images/{made.image}/json")


def test_without_an_engine_a_plan_can_still_be_made(images: Images, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = images.spec(requirements=[*LINKS, "beta"])
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    assert locate(images.request(spec))[1] == "unknown, because there is no container engine"
    with pytest.raises(ContainerEngineError):
        images.make(spec)
    assert images.spec(docker={"image": "python:3"}).software_id == ""
    monkeypatch.undo()


def test_a_run_without_a_build_never_imports_the_sdk(images: Images) -> None:
    env = {"docker": images.docker, "requirements": [*LINKS, "beta"]}
    images.make(images.spec(**env))
    code = ENSURE + "print(sorted(name for name in ('docker', 'requests', 'subprocess') if name in sys.modules))\n"
    done = subprocess.run(
        [sys.executable, "-c", code, images.root, json.dumps(env)], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])},
    )
    assert done.stdout.splitlines() == ["ready", "reused", "[]"]
