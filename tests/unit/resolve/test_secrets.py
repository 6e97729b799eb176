"""Secrets by reference: what looks like one, where one may stand, and where its value is looked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra import __version__ as HYDRA_VERSION

from trainconf.composition.compose import compose
from trainconf.composition.sweep.grid import grid
from trainconf.errors import ConfigError, SecretError
from trainconf.paths import WorkspacePaths
from trainconf.resolve import secrets

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
    "DB_PASS",
    "SMTPPASS",
    "GITLAB_PAT",
    "SENTRY_DSN",
    "SESSION_COOKIE",
    "API_KEY2",
    "MY_JWT",
    "AZURE_STORAGE_CONNECTION_STRING",
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
    "COMPASS",
    "PATTERN",
    "SSH_AUTH_SOCK",
    "TLS_KEY_FILE",
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
        "'${oc.env :MY_TOKEN}'",
        "'${ oc.env : MY_TOKEN }'",
        "'${oc.env:MY_${oc.env:REST}}'",
        "'${oc.env:${oc.env:WHICH}}'",
        "'${oc.env:UNSET_HERE,${oc.env:MY_TOKEN}}'",
        "'${oc.env:MY_TOKEN,null}'",
        "'${oc.select:nosuch,${oc.env:MY_TOKEN}}'",
        "'${oc.decode:${oc.env:READS_IT}}'",
        "{a: {b: ['${oc.env:MY_TOKEN}']}}",
        "'${oc.env:DATABASE_URL}'",
        "'${oc.env:ANY_NAME}'",
    ],
)
def test_no_spelling_gets_a_credential_into_a_value(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgres://u:never-to-be-seen@host/db"
    variables = {"MY_TOKEN": "never-to-be-seen", "REST": "TOKEN", "WHICH": "MY_TOKEN", "READS_IT": "${oc.env:MY_TOKEN}"}
    for name, held in {**variables, "DATABASE_URL": address, "ANY_NAME": address}.items():
        monkeypatch.setenv(name, held)
    (tmp_path / "conf/experiment").mkdir(parents=True)
    text = value if value[0] in "'[{" else f"'{value}'"
    (tmp_path / "conf/experiment/mine.yaml").write_text(f"# @package _global_\nexperiment_name: a\nparams:\n  x: {text}\n")
    with pytest.raises(ConfigError, match=r"MY_TOKEN|DATABASE_URL|ANY_NAME") as caught:
        compose(["experiment=mine"], WorkspacePaths(str(tmp_path)))
    assert "never-to-be-seen" not in caught.value.render()
    assert "conf/experiment/mine.yaml:4" in caught.value.render()
    assert all(mistake.what.startswith("params.x") and "would write the value of" in mistake.what for mistake in caught.value.mistakes)


@pytest.mark.skipif(not HYDRA_VERSION.startswith("1.3"), reason="1.4 reads no variables in a defaults list")
@pytest.mark.parametrize("choice", ["${oc.env:MY_TOKEN}", "${oc.env :MY_TOKEN}", "${oc.env:${oc.env:WHICH}}"])
@pytest.mark.parametrize("held", ["never-to-be-seen", "minimal"])
def test_no_defaults_list_gets_a_credential_into_a_choice(
    choice: str, held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", held)
    monkeypatch.setenv("WHICH", "MY_TOKEN")
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/experiment/mine.yaml").write_text(
        f"# @package _global_\ndefaults:\n  - _self_\n  - override /env: {choice}\nexperiment_name: a\n"
    )
    with pytest.raises(ConfigError, match="a defaults list would write the value of MY_TOKEN") as caught:
        compose(["experiment=mine"], WorkspacePaths(str(tmp_path)))
    assert "never-to-be-seen" not in caught.value.render()


def test_no_value_of_a_grid_gets_a_credential_into_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "never-to-be-seen")
    for word in ("+params.x=7,${oc.env:MY_TOKEN}", "+params.x=[1],[${oc.env :MY_TOKEN}]", "+env.variables.MY_TOKEN=null,never-to-be-seen"):
        with pytest.raises(ConfigError, match="MY_TOKEN") as caught:
            list(grid(["experiment=adhoc", "experiment_name=a", word], WorkspacePaths(str(tmp_path))))
        assert "never-to-be-seen" not in caught.value.render()


@pytest.mark.parametrize(
    ("name", "value"), [("HF_TOKEN", "never-to-be-seen"), ("DB_PASS", "never-to-be-seen"), ("PROXY", "http://u:never-to-be-seen@proxy:80")]
)
def test_a_credential_written_out_in_a_variable_is_told_with_its_right_spelling(name: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/local.yaml").write_text(f"# @package _global_\nenv:\n  variables:\n    {name}: {value}\n")
    for words in (["experiment_name=a"], ["experiment_name=a", f"env.variables.{name}='{value}'"]):
        with pytest.raises(ConfigError, match="holds a credential") as caught:
            compose(words, WorkspacePaths(str(tmp_path)))
        assert f"env.variables.{name}: ${{secret:{name}}}" in caught.value.render()
        assert "never-to-be-seen" not in caught.value.render()


def test_a_variable_that_holds_no_credential_is_let_be(tmp_path: Path) -> None:
    words = ["+env.variables.A=1", "+env.variables.TOKENIZERS_PARALLELISM=false", "+env.variables.HF_TOKEN=${secret:T}",
             "+env.variables.DB='postgres://u:${secret:P}@host'", "+env.variables.SSH_AUTH_SOCK=/run/agent", "+env.variables.NO_PASS=''"]
    found = compose(["experiment_name=a", *words], WorkspacePaths(str(tmp_path))).config["env"]["variables"]
    assert found["DB"] == "postgres://u:${secret:P}@host"


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


@pytest.mark.parametrize(
    ("content", "what", "place"),
    [
        (b"# \xe9\nB=1\nA=x", "is not UTF-8", ":1"),
        (b"B=1\nA=\xff", "is not UTF-8", ":2"),
        (b"B=1\nexport A=1\n", "begins with `export`", ":2"),
        (b"A=1\0 2\n", "holds a NUL byte", ":1"),
    ],
)
def test_a_file_that_cannot_be_read_as_lines_is_told_with_its_line(content: bytes, what: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SecretError, match=what) as caught:
        secrets.look_up([("X", "${secret:A}")], {}, str(path))
    assert f"{path}{place}" in caught.value.render()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink(path, path)], ids=["folder", "pipe", "a link to itself"])
def test_what_is_no_file_is_told(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    make(path)
    with pytest.raises(SecretError, match=r"the file of secrets (is no regular file|cannot be read)"):
        secrets.look_up([("X", "${secret:A}")], {}, str(path))


def test_a_byte_order_mark_other_names_and_line_ends_are_no_part_of_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_bytes("\ufeffA=1\r\nexport OTHER=2\r\nB=x\x0by\u2028z\r\n".encode())
    path.chmod(0o600)
    assert secrets.look_up([("X", "${secret:A}${secret:B}")], {}, str(path)) == {"A": "1", "B": "x\x0by\u2028z"}
