"""Environments that a program describes, in the real engine: a Dockerfile's text, a build context, packages, a registered one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Shell
from tests.unit.environments.conftest import make_wheel

pytestmark = [pytest.mark.docker, pytest.mark.slow]

PROGRAM = """\
import json, sys
from trainconf import (
    CondaDependencies, DockerBuildContext, DockerConfiguration, Environment, Experiment, ScriptRunConfig, Workspace
)
from trainconf.errors import UserError
image, lease_dir = sys.argv[1:]
ws = Workspace()
experiment = Experiment(ws, "images")
def said(environment, **more):
    overrides = [f"compute.lease_dir={lease_dir}"]
    script = ScriptRunConfig(".", "train.py", compute_target="local", environment=environment, overrides=overrides, **more)
    run = experiment.submit(script)
    run.wait_for_completion()
    return open(run.run_dir + "/logs/std_log.txt").read().strip()

text = Environment.from_dockerfile("text", f"FROM {image}\\nRUN echo from a text > /said\\n")
context = Environment.from_docker_build_context("context", DockerBuildContext.from_local_directory(ws, "ctx"))
packages = Environment.from_dockerfile("packages", f"FROM {image}\\nRUN echo with packages > /said\\n", pip_requirements="requirements.txt")
registered = packages.register(ws)
found = [said(text), said(context), said(packages), said(registered), said(Environment.get(ws, "packages", version=1))]
try:
    said(text, docker_runtime_config=DockerConfiguration(use_docker=False))
except UserError as error:
    found.append(error.mistakes[0].what)
try:
    said(Environment.from_dockerfile("bad", f"FROM {image}\\nRUN exit 7\\n"))
except Exception as error:
    found.append(str(error).splitlines()[0])
print(json.dumps(found))
"""
TRAIN = """\
import os
try:
    import demo
    has_demo = "demo"
except ImportError:
    has_demo = "no demo"
print(open("/said").read().strip(), has_demo, os.path.exists("/.dockerenv"))
"""


def test_every_kind_of_image_runs_a_script_and_an_image_implies_docker(shell: Shell, docker_base_image: str) -> None:
    shell.write("train.py", TRAIN)
    shell.write("program.py", PROGRAM)
    shell.write(".trainconf/README", "a workspace")
    shell.write("ctx/Dockerfile", f"FROM {docker_base_image}\nCOPY said.txt /said\n")
    shell.write("ctx/said.txt", "from a context\n")
    make_wheel(Path(shell.root, "wheels"), "demo", "1.0")
    shell.write("requirements.txt", "--no-index\n./wheels/demo-1.0-py3-none-any.whl\n")
    done = subprocess.run(
        [shell.python, "program.py", docker_base_image, str(shell.leases)], cwd=shell.root, env=shell.env, capture_output=True, text=True,
        timeout=500,
    )  # fmt: skip
    try:
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == [
            "from a text no demo True", "from a context no demo True", "with packages demo True", "with packages demo True",
            "with packages demo True", "the environment is an image, and use_docker is False",
            "the Dockerfile env.docker.dockerfile fails at step 2 of 2",
        ]  # fmt: skip
        assert "dockerfile: |" in (shell.root / "conf" / "env" / "packages" / "1.yaml").read_text()
        assert "- ./wheels/demo-1.0-py3-none-any.whl" in (shell.root / "conf" / "env" / "packages" / "1.yaml").read_text()
    finally:
        for line in shell("env", "ls").out.splitlines()[1:]:
            shell("env", "rm", line.split()[0])
