"""Requirement lines: what a recipe's files come to, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.environments.recipe.conda import as_requirement
from trainconf.environments.recipe.requirements import redacted, unexpanded, variables
from trainconf.errors import BuildError

from ..conftest import Workspace, both_installers


def test_files_are_inlined_in_order_with_comments_stripped_and_continuations_joined(workspace: Workspace) -> None:
    root = Path(workspace.root)
    (root / "sub").mkdir()
    (root / "sub" / "requirements.txt").write_text(
        "# a comment\nalpha==1  # why\n-r more.txt\nbeta==2 \\\n  --hash=sha256:aa \\\n  --hash=sha256:bb\n--no-binary beta\nurl#kept==1\n"
    )
    (root / "sub" / "more.txt").write_text("gamma==3\n")
    spec = workspace.resolve(requirements=["first==0"], requirements_file="sub/requirements.txt")
    assert spec.requirements == (
        "first==0", "alpha==1", "gamma==3", "beta==2 --hash=sha256:aa --hash=sha256:bb", "--no-binary beta", "url#kept==1",
    )


def test_constraints_are_kept_apart_from_what_is_installed(workspace: Workspace) -> None:
    Path(workspace.root, "limits.txt").write_text("numpy<2\n-r deeper.txt\n")
    Path(workspace.root, "deeper.txt").write_text("scipy<2\n")
    spec = workspace.resolve(requirements=["numpy", "-c limits.txt"])
    assert spec.requirements == ("numpy", "--constraint numpy<2", "--constraint scipy<2")


@pytest.mark.parametrize(
    ("line", "normalised"),
    [
        ("./demo-1.0-py3-none-any.whl", "./demo-1.0-py3-none-any.whl"),
        ("demo-1.0-py3-none-any.whl", "./demo-1.0-py3-none-any.whl"),
        ("{root}/demo-1.0-py3-none-any.whl", "./demo-1.0-py3-none-any.whl"),
        ("file://{root}/demo-1.0-py3-none-any.whl", "./demo-1.0-py3-none-any.whl"),
        ("demo[more] @ file://{root}/demo-1.0-py3-none-any.whl ; os_name > '3'", "./demo-1.0-py3-none-any.whl[more] ; os_name > '3'"),
        ("-e ./pkg", "./pkg"),
        ("file:pkg", "./pkg"),
        ("demo @ file:pkg", "./pkg"),
        ("-e file:./pkg", "./pkg"),
        ("demo@file://localhost{root}/pkg", "./pkg"),
        ("--editable=pkg[x]", "./pkg[x]"),
        ("./my pkg", "./my pkg"),
        ("-e .", "."),
    ],
)
def test_local_requirements_are_found_in_every_spelling_and_hashed(workspace: Workspace, line: str, normalised: str) -> None:
    for name in ("pkg", "my pkg"):
        Path(workspace.root, name).mkdir()
    spec = workspace.resolve(requirements=[line.format(root=workspace.root)])
    assert spec.requirements == (normalised,)
    path = normalised.partition("[")[0].partition(" ;")[0]
    assert [name for name, _ in spec.files] == [path]


@pytest.mark.parametrize("line", ["demo @ file://pkg", "file://pkg", "-e file://pkg", "demo[x]@file://server/pkg"])
def test_a_file_of_another_machine_is_refused_and_never_taken_for_the_workspace(workspace: Workspace, line: str) -> None:
    Path(workspace.root, "pkg").mkdir()
    assert "names a file of another machine" in workspace.wrong(requirements=[line])


@pytest.mark.parametrize(
    "line",
    ["demo==1; os_name == 'a/b'", "git+https://example.org/x/y", "demo @ https://example.org/x.whl", "-i https://example.org/simple"],
)
def test_what_is_not_local_is_left_as_it_stands(workspace: Workspace, line: str) -> None:
    spec = workspace.resolve(requirements=[line])
    assert (spec.requirements, spec.files) == ((line,), ())


def test_content_of_a_folder_decides_and_debris_of_builds_does_not(workspace: Workspace) -> None:
    package = Path(workspace.root, "pkg")
    (package / "src").mkdir(parents=True)
    (package / "src" / "a.py").write_text("1")
    before = workspace.resolve(requirements=["./pkg"])
    for debris in (
        "build/lib/a.py", "src/a.egg-info/PKG-INFO", "src/__pycache__/a.pyc", ".venv/pyvenv.cfg", ".git/HEAD", ".trainconf/x", "runs/x/log",
    ):  # fmt: skip
        (package / debris).parent.mkdir(parents=True)
        (package / debris).write_text("debris")
    assert workspace.resolve(requirements=["./pkg"]) == before
    (package / "src" / "a.py").rename(package / "src" / "b.py")
    assert workspace.resolve(requirements=["./pkg"]).files != before.files


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://ann:hunter2@example.org/simple", "-i https://hunter2@example.org/simple",
        "demo @ https://ann:hunter2@example.org/d.whl", "git+https://hunter2@example.org/x.git", "git+ssh://ann:hunter2@example.org/x.git",
    ],
)
def test_a_credential_is_refused_and_not_shown(workspace: Workspace, line: str) -> None:
    told = workspace.wrong(requirements=[line])
    assert "holds a credential" in told
    assert "hunter2" not in told
    assert "hint: put it into pip's or uv's own configuration" in told


@pytest.mark.parametrize("line", ["--index-url https://${USER_1}:${TOKEN}@example.org/simple", "git+ssh://git@example.org/x.git"])
def test_variables_and_ssh_users_are_no_credentials(workspace: Workspace, line: str) -> None:
    assert workspace.resolve(requirements=[line]).requirements == (line,)


def test_every_mistake_is_told_at_once(workspace: Workspace) -> None:
    root = Path(workspace.root)
    (root / "loop.txt").write_text("-r loop.txt\n-r absent.txt\n./nowhere.whl\n-r https://example.org/r.txt\n")
    (root / "latin.txt").write_bytes(b"caf\xe9==1\n")
    told = workspace.wrong(requirements=["-r loop.txt", "-r latin.txt", "-r ."], requirements_file="missing.txt")
    for sentence in (
        "includes itself", "absent.txt", "a local requirement does not exist", "network may change unseen", "is not UTF-8 text",
        "is a folder", "missing.txt",
    ):
        assert sentence in told
    assert f"{root}/loop.txt:3" in told


def test_an_unreadable_file_is_told(workspace: Workspace) -> None:
    assert "the requirements file cannot be read: Input/output error" in workspace.wrong(requirements_file="/proc/self/mem")


def test_pyproject_dependencies_are_taken_and_what_cannot_be_honoured_is_told(workspace: Workspace) -> None:
    path = Path(workspace.root, "pyproject.toml")
    path.write_text("[project]\nname = 'x'\ndependencies = ['numpy>=2', 'demo @ file:demo-1.0-py3-none-any.whl']\n")
    assert workspace.resolve(pyproject="pyproject.toml").requirements == ("numpy>=2", "./demo-1.0-py3-none-any.whl")
    path.write_text("[project]\nname = 'x'\ndependencies = ['Demo_Pkg>=1']\n[tool.uv.sources]\ndemo-pkg = {path = 'd'}\n")
    assert "Demo_Pkg>=1" in workspace.wrong(pyproject="pyproject.toml")
    path.write_text("[project]\nname = 'x'\ndynamic = ['dependencies']\n")
    assert "does not list its dependencies" in workspace.wrong(pyproject="pyproject.toml")
    path.write_text("[project\n")
    assert "is not TOML" in workspace.wrong(pyproject="pyproject.toml")


def test_the_pip_part_of_a_conda_file_is_enough(workspace: Workspace) -> None:
    path = Path(workspace.root, "environment.yml")
    path.write_text(
        "name: x\nchannels: [defaults]\ndependencies:\n  - conda-forge::python=3.11.*\n  - pip=24\n"
        "  - pip:\n    - -r req.txt\n    - beta==2\nvariables: {A: '1', B: '2'}\n"
    )
    Path(workspace.root, "req.txt").write_text("alpha==1\n")
    spec = workspace.resolve(conda_file="environment.yml", variables={"B": "mine"})
    assert (spec.python, spec.requirements, spec.variables) == ("3.11", ("alpha==1", "beta==2"), (("A", "1"), ("B", "mine")))


def test_what_pip_has_too_is_taken_by_the_name_it_has_there(workspace: Workspace) -> None:
    path = Path(workspace.root, "environment.yml")
    path.write_text("dependencies: [pytorch=2.1, conda-forge::numpy==1.26.4, 'pandas>=2,<3', scikit-learn, pip, {pip: [beta==2]}]\n")
    spec = workspace.resolve(conda_file="environment.yml")
    assert spec.requirements == ("torch==2.1.*", "numpy==1.26.4", "pandas>=2,<3", "scikit-learn", "beta==2")


@pytest.mark.parametrize(
    ("entry", "requirement"),
    [
        ("numpy", "numpy"), ("numpy=1.26", "numpy==1.26.*"), ("numpy=1.26.*", "numpy==1.26.*"), ("numpy=1.26*", "numpy==1.26.*"),
        ("numpy==1.26.4", "numpy==1.26.4"), ("numpy=1.26.4=py311h64a7726_0", "numpy==1.26.4"), ("numpy 1.26.4 py311_0", "numpy==1.26.4"),
        ("numpy 1.26.*", "numpy==1.26.*"), ("numpy >=1.20, <2", "numpy>=1.20,<2"), ("numpy!=1.26.0", "numpy!=1.26.0"),
        ("Scikit_Learn~=1.4", "scikit-learn~=1.4"), ("defaults/linux-64::scipy", "scipy"),
        ("py-opencv=4.8", "opencv-python-headless==4.8.*"),
        ("numpy==1.26.0rc1", "numpy==1.26.0rc1"), ("numpy=1.26|1.25", None), ("numpy[version='>=1']", None), ("ffmpeg", None),
        ("cudatoolkit=11.8", None), ("numpy=", None), ("", None), ("=1", None),
    ],
)  # fmt: skip
def test_conda_and_pip_write_versions_in_different_ways(entry: str, requirement: str | None) -> None:
    assert as_requirement(entry) == requirement


def test_what_only_conda_can_install_is_named(workspace: Workspace) -> None:
    path = Path(workspace.root, "environment.yml")
    path.write_text("dependencies: [python>=3.9, cudatoolkit=11, 'nvidia::cuda']\nprefx: x\n")
    told = workspace.wrong(conda_file="environment.yml")
    for words in ("cudatoolkit=11\n", "nvidia::cuda", "python>=3.9 does not name one version", "prefx: not a key"):
        assert words in told
    path.write_text("dependencies: [python=3.11]\n")
    assert "two versions of Python" in workspace.wrong(conda_file="environment.yml", python={"version": "3.12"})
    path.write_text("- [")
    assert "is not YAML" in workspace.wrong(conda_file="environment.yml")
    path.write_text("[" * 3000 + "]" * 3000)
    assert "is not YAML" in workspace.wrong(conda_file="environment.yml")


def test_a_shipped_file_is_found_when_the_workspace_has_none(workspace: Workspace) -> None:
    named = "conf/env/minimal.yaml"  # any shipped file will do: its lines are not looked into
    assert "name: minimal" in workspace.resolve(requirements_file=named).requirements
    own = Path(workspace.root, named)
    own.parent.mkdir(parents=True)
    own.write_text("alpha==1\n")
    assert workspace.resolve(requirements_file=named).requirements == ("alpha==1",)
    assert workspace.wrong(requirements_file="conf/env/none.yaml").count("does not exist") == 1


@pytest.mark.parametrize("line", [
    "--index-url https://host/simple?token=s3cret", "pkg @ https://host/pkg.whl?access_token=s3cret&x=1",
    "-f https://host/?a=1&X-Amz-Signature=s3cret",
    "--extra-index-url https://s3cret@host/simple", "pkg @ git+https://me:s3cret@host/x.git", "--find-links https://host/?api_key=s3cret#egg",
])
def test_a_credential_anywhere_in_a_url_is_refused_unseen(workspace: Workspace, line: str) -> None:
    told = workspace.wrong(requirements=[line])
    assert "holds a credential" in told
    assert "s3cret" not in told


@pytest.mark.parametrize("line", [
    "--index-url https://host/simple?token=${TOKEN}", "pkg @ https://host/pkg.whl?version=3", "pkg @ git+ssh://git@host/x.git",
    "pkg @ https://${ME}:${TOKEN}@host/x.whl", "keyring==25.0", "pkg @ https://host/tokenizers-1.0-py3-none-any.whl",
])
def test_what_is_no_credential_is_not_taken_for_one(workspace: Workspace, line: str) -> None:
    assert workspace.resolve(requirements=[line]).requirements == (line,)


def test_values_of_variables_are_never_told() -> None:
    lines = ["pkg @ https://host/x.whl?t=${TOKEN}", "other"]
    named = variables(lines, {"TOKEN": "a/b c", "ELSE": "x"})
    assert named == {"TOKEN": "a/b c"}
    said = "Collecting https://host/x.whl?t=a/b c, a%2Fb%20c, a/b%20c"
    assert redacted(said, named) == "Collecting https://host/x.whl?t=***, ***, ***"
    assert unexpanded("t=a%2Fb%20c", named) == "t=${TOKEN}"


@both_installers
def test_an_installer_that_fails_does_not_tell_a_token(
    workspace: Workspace, installer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("OUR_TOKEN", "s3cret-value")
    spec = workspace.resolve(requirements=["gone @ http://127.0.0.1:9/gone-1.0-py3-none-any.whl?token=${OUR_TOKEN}"])
    with pytest.raises(BuildError) as failed:
        workspace.ensure(spec)
    assert "s3cret" not in str(failed.value) + "".join(workspace.reported) + str(spec)
