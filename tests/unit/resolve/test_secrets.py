"""Secrets by reference: what looks like one, where one may stand, and where its value is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainconf.errors import ConfigError, SecretError
from trainconf.paths import WorkspacePaths
from trainconf.resolve import secrets
from trainconf.resolve.compose import compose

CREDENTIALS = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "WANDB_API_KEY",
    "HF_TOKEN",
    "GITHUB_TOKEN",
    "DB_PASSWORD",
    "PGPASSWORD",
    "my_secret",
    "OPENAI_APIKEY",
    "AZURE_CLIENT_SECRET",
    "NPM_AUTH",
    "SSH_PRIVATE_KEY",
    "MYSQL_PWD",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "KEY_PASSPHRASE",
]
HARMLESS = [
    "HOME",
    "PWD",
    "USER",
    "PATH",
    "KEYBOARD",
    "MONKEY",
    "DATA_DIR",
    "TOKENIZERS_PARALLELISM",
    "CUDA_VISIBLE_DEVICES",
    "AUTHOR",
    "SECRETARY",
]


@pytest.mark.parametrize("name", CREDENTIALS)
def test_names_of_credentials_are_known(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert secrets.looks_like_credential(name)
    monkeypatch.setenv(name, "never-to-be-seen")
    with pytest.raises(ConfigError) as caught:
        compose([f"+params.x=${{oc.env:{name}}}"], WorkspacePaths(str(tmp_path)))
    assert "never-to-be-seen" not in caught.value.render()
    assert f"${{secret:{name}}}" in caught.value.render()


@pytest.mark.parametrize("name", HARMLESS)
def test_other_names_are_let_be(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "seen")
    assert compose([f"+params.x=${{oc.env:{name}}}"], WorkspacePaths(str(tmp_path))).config["params"]["x"] == "seen"


@pytest.mark.parametrize(
    "value",
    [
        "${oc.env:MY_TOKEN}",
        "${oc.env:MY_TOKEN,default}",
        "'${oc.env: MY_TOKEN}'",
        "'a${oc.env:MY_TOKEN}b'",
        "[1,'${oc.env:MY_TOKEN}']",
        "${oc.decode:${oc.env:MY_TOKEN}}",
        "'${oc.env:\"MY_TOKEN\"}'",
    ],
)
def test_no_spelling_gets_a_credential_into_a_value(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "never-to-be-seen")
    (tmp_path / "conf/experiment").mkdir(parents=True)
    text = value if value[0] in "'[" else f"'{value}'"
    (tmp_path / "conf/experiment/mine.yaml").write_text(f"# @package _global_\nexperiment_name: a\nparams:\n  x: {text}\n")
    with pytest.raises(ConfigError, match="MY_TOKEN") as caught:
        compose(["experiment=mine"], WorkspacePaths(str(tmp_path)))
    assert "never-to-be-seen" not in caught.value.render()


@pytest.mark.parametrize(
    "word",
    [
        "+params.x=${secret:A}",
        "display_name=${secret:A}",
        "+tags.t=${secret:A}",
        "arguments=['${secret:A}']",
        "+params.x='${env.variables.T}'",
        "+inputs.d=${secret:A}",
    ],
)
def test_a_secret_stands_in_a_variable_and_nowhere_else(word: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds a secret"):
        compose(["+env.variables.T=${secret:A}", word], WorkspacePaths(str(tmp_path)))


def test_values_come_from_the_environment_then_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("# A=comment\nA=file\nB = two words \nC=1=2\nnonsense\n")
    path.chmod(0o600)
    variables = [("X", "${secret:A}"), ("Y", "u:${secret:B}@${secret:C}"), ("Z", "plain")]
    found = secrets.look_up(variables, {"A": "env"}, str(path))
    assert found == {"A": "env", "B": "two words", "C": "1=2"}
    assert secrets.fill(variables, found) == {"X": "env", "Y": "u:two words@1=2"}


def test_a_value_is_put_in_as_it_is() -> None:
    value = "\\1 \\g<0> ${secret:A} $x"
    assert secrets.fill([("X", "<${secret:A}>")], {"A": value}) == {"X": f"<{value}>"}


def test_all_that_are_unset_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SecretError) as caught:
        secrets.look_up([("X", "${secret:A}${secret:B}")], {}, str(tmp_path / "none"))
    assert [mistake.what for mistake in caught.value.mistakes] == ["the secret A is not set", "the secret B is not set"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_file_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("A=1\n")
    path.chmod(mode)
    with pytest.raises(SecretError, match="can be read by others"):
        secrets.look_up([("X", "${secret:A}")], {}, str(path))
    assert secrets.look_up([("X", "${secret:A}")], {"A": "env"}, str(path)) == {"A": "env"}  # it is not needed then
