from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from trainconf.cli.screen import printer as printing
from trainconf.cli.screen.printer import Printer, escaped
from trainconf.cli.screen.tables import table
from trainconf.cli.screen.widths import cut
from trainconf.errors import UserError


@pytest.fixture
def printer(monkeypatch: pytest.MonkeyPatch) -> Printer:
    monkeypatch.setattr(printing, "_secrets", [])
    return Printer()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_data_goes_to_standard_output_and_talk_to_standard_error(printer: Printer, capsys: pytest.CaptureFixture[str]) -> None:
    printer.data("a")
    printer.info("b")
    printer.raw(b"c")
    assert capsys.readouterr() == ("a\nc", "b\n")


def test_a_table_is_aligned_whatever_stands_in_it(printer: Printer, capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "x"), [("a\nb\x1b[31m", "1"), ("日本", "2"), ("\udcff", "3")])
    assert capsys.readouterr().out.splitlines() == [
        "name          x",
        "a\\nb\\x1b[31m  1",
        "日本          2",
        "\\udcff        3",
    ]


def test_names_that_are_no_text_are_printed_escaped(printer: Printer, capsys: pytest.CaptureFixture[str]) -> None:
    printer.data("a\udcff")
    printer.info("b\udcfe")
    assert capsys.readouterr() == ("a\\udcff\n", "b\\udcfe\n")


def test_a_channel_that_knows_ascii_only_is_written_to(printer: Printer, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    printer.data("é")
    assert raw.getvalue() == b"\\xe9\n"


def test_a_secret_is_blotted_out_everywhere(printer: Printer, capsys: pytest.CaptureFixture[str]) -> None:
    printer.redact(["hunter22", "hunter22-longer", 'quo"ted\n', "abc", ""])
    printer.data("x hunter22 abc")
    printer.info("hunter22-longer")
    printer.json({"a": "hunter22", "b": 'quo"ted\n'})
    table(("t",), [("hunter22",)])
    printer.error(UserError("hunter22", ("from", "hunter22")))
    out, err = capsys.readouterr()
    assert "hunter22" not in out + err
    assert "longer" not in out + err
    assert "ted" not in out
    assert "abc" in out


def test_another_printer_blots_out_the_same_secrets(printer: Printer, capsys: pytest.CaptureFixture[str]) -> None:
    printer.redact(["hunter22"])
    Printer().data("hunter22")
    assert capsys.readouterr().out == "********\n"


def test_json_is_valid_also_for_numbers_it_does_not_have(printer: Printer, capsys: pytest.CaptureFixture[str]) -> None:
    printer.json({"a": [float("nan"), float("inf"), (float("-inf"), 1.5)], "b": "\udcff", "c": None})

    def refuse(word: str) -> None:
        raise AssertionError(word)

    found = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert found == {"a": ["NaN", "Infinity", ["-Infinity", 1.5]], "b": "\udcff", "c": None}


def test_a_mistake_cannot_write_to_the_terminal_by_a_name(printer: Printer, capsys: pytest.CaptureFixture[str]) -> None:
    printer.error(UserError("no such file", ("path", "a\x1b[2Jb\rc")))
    assert capsys.readouterr().err == "no such file\n  path  a\\x1b[2Jb\n        c\n"


def test_closed_channels_are_not_an_error(printer: Printer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    printer.data("a")
    printer.info("b")
    printer.raw(b"c")


def test_a_reader_that_leaves_ends_the_program_without_a_word() -> None:
    code = "import sys\nfrom trainconf.cli.screen.printer import printer\ntry:\n  for i in range(100000): printer.data('x' * 100)\n"
    code += "except BrokenPipeError: sys.exit(141)"
    env = {**os.environ, "PYTHONPATH": os.getcwd()}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.04, "0.0 s"), (59.9, "59.9 s"), (60, "1m 00s"), (3599, "59m 59s"), (7500, "2h 05m"), (90_000, "1d 01h")],
)
def test_durations_are_short_and_one_word_in_a_table(seconds: float | None, text: str) -> None:
    assert printing.duration(seconds) == text
    assert printing.short_duration(seconds) == text.replace(" ", "")


@pytest.mark.parametrize(("count", "text"), [
    (0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (999_949, "999.9 kB"), (999_960, "1.0 MB"), (2e9, "2.0 GB"), (5e15, "5000.0 TB"),
])  # fmt: skip
def test_sizes_are_short(count: float, text: str) -> None:
    assert printing.size(count) == text


@pytest.mark.parametrize(("name", "value", "text"), [
    ("system.memory_bytes", 1.2e9, "1.118 GiB"), ("system.gpu_0/memory_bytes", 81559 * 2**20, "79.65 GiB"),
    ("system.disk_read_bytes_per_s", 3 * 2**20, "3 MiB/s"), ("system.disk_read_bytes_per_s", 0, "0 B/s"), ("bytes", 1023, "1023 B"),
    ("sent/bytes", -2048, "-2 KiB"), ("cpu_percent", 7.5, "7.5 %"), ("power_watts", 250.0, "250 W"), ("kilobytes", 12, "12"),
    ("loss", 1e6, "1e+06"), ("memory_bytes", float("nan"), "nan"), ("memory_bytes", None, ""), ("memory_bytes", "many", "many"),
    ("bytes", 2.0**70, "1.049e+06 PiB"), (None, 0.5, "0.5"), ("megabytes_bytes", 1, "1 B"),
])  # fmt: skip
def test_a_metric_has_the_unit_that_its_name_tells(name: str | None, value: object, text: str) -> None:
    """As tests/page/scripts/units.test.js has them."""
    assert printing.measure(name, value) == text


STEERING = [
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m", "\x85", "\u202egnp", "\u2066x", "\u2028", "\b\b", "\r", "\x7f", "\0", "\x1b[",
]  # fmt: skip


@pytest.mark.parametrize("text", STEERING)
@pytest.mark.parametrize("way", ["data", "info", "alert", "table", "error"])
def test_nothing_that_is_printed_steers_the_terminal(printer: Printer, capfd: pytest.CaptureFixture[str], text: str, way: str) -> None:
    shown = f"<{text}>\tå 日本 👨‍👩‍👧"
    if way == "table":
        table(["a"], [[shown]])
    elif way == "error":
        printer.error(UserError(shown, ("from", shown), hint=shown))
    else:
        getattr(printer, way)(shown)
    out, err = capfd.readouterr()
    assert escaped(out + err) == out + err
    assert "\x1b" not in out + err
    assert "👨‍👩‍👧" in out + err or way in ("table", "error")  # there a joiner is escaped as well


def test_colours_of_our_own_reach_the_terminal_and_foreign_ones_in_the_same_line_do_not(
    printer: Printer, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    class Screen(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    printer.data(printer.status("Failed") + " \x1b[32mCompleted\x1b[0m")
    assert screen.getvalue() == "\x1b[31mFailed\x1b[0m \\x1b[32mCompleted\\x1b[0m\n"


@pytest.mark.parametrize(
    ("text", "columns", "shown"), [("abcdef", 6, "abcdef"), ("abcdefg", 6, "abcd.."), ("日本語日", 6, "日本.."), ("abc", 1, ".")]
)
def test_a_line_is_cut_to_the_width_of_a_terminal(text: str, columns: int, shown: str) -> None:
    assert cut(text, columns) == shown
