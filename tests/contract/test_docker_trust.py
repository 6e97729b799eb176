"""What a job in a container can do to what the host believes of its run: nothing. It writes its own folders, and into its logs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from trainconf.launchers import get
from trainconf.launchers.protocol import RunHandle
from trainconf.spec import DistributedSpec
from trainconf.testing.runs import last, make_job, output, shell, states, submit

pytestmark = pytest.mark.docker

RECORDS = ("spec.json", "run.json", "plan.json", "params.json", "events.jsonl", "git.json", "agent.lock", "logs/agent.log")


def carried_out(root: Path, text: str, image: str, **wishes: Any) -> RunHandle:
    launcher = get("docker")
    job = make_job(str(root), shell(text), image=image, **wishes)
    handle = submit(launcher, job)
    launcher.wait(handle)
    return handle


@pytest.fixture
def image(docker_engine: str, docker_base_image: str) -> str:
    return docker_base_image


def test_a_job_cannot_change_what_is_recorded_of_it(tmp_path: Path, image: str) -> None:
    attack = "; ".join(
        f'(echo forged >"$TRAINCONF_RUN_DIR/{name}") 2>/dev/null && echo wrote {name}; '
        f'rm -f "$TRAINCONF_RUN_DIR/{name}" 2>/dev/null; [ -e "$TRAINCONF_RUN_DIR/{name}" ] || echo "gone {name}"'
        for name in RECORDS if name not in ("spec.json", "git.json")
    )  # fmt: skip
    handle = carried_out(tmp_path, f'{attack}; touch "$TRAINCONF_RUN_DIR/new" 2>/dev/null && echo new; echo end', image)
    assert output(handle) == "end\n"
    assert states(handle)[-1] == "Completed"
    assert json.loads(Path(handle.paths.record).read_text())["experiment_name"] == "exp"


@pytest.mark.parametrize("name", ["metrics.jsonl", "records.jsonl", "logs/std_log.txt", "usage_rank_0.txt", "ends_rank_0.txt"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_job_cannot_put_a_link_or_a_pipe_where_the_host_writes_or_reads(name: str, ranks: int, tmp_path: Path, image: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    path = f'"$TRAINCONF_RUN_DIR/{name}"'
    attack = f"(rm -f {path}; ln -sf {victim} {path}; mv {path} {path}2; mkfifo {path}; ln -f code/x {path}) >/dev/null 2>&1"
    text = f'echo x >x; {attack}; python -c "from trainconf import Run; Run.get_context().log(\'own\', 1)"; echo loss=7'
    distributed = DistributedSpec(kind="pytorch", processes_per_node=ranks) if ranks > 1 else None
    handle = carried_out(tmp_path, text, image, stdout_metrics={"loss": "loss=([0-9]+)"}, distributed=distributed)
    assert (last(handle)["state"], victim.read_text()) == ("Completed", "mine\n")
    assert "loss=7\n" in output(handle)
    logged = [json.loads(line)["name"] for line in Path(handle.paths.metrics).read_text().splitlines() if line]
    assert sorted(logged) == ["loss", *["own"] * ranks]


def test_what_a_job_writes_into_the_files_of_its_shell_is_read_as_text_of_a_strangers(tmp_path: Path, image: str) -> None:
    junk = "0 x\\n-1 0\\n0 99999999999999999999\\ncpu.stat usage_usec x\\nmemory.peak -1\\n\\377\\n[]\\n"
    text = f'for name in usage ends; do printf "{junk}" >"$TRAINCONF_RUN_DIR/${{name}}_rank_0.txt"; done; [ "$RANK" = 0 ] || exit 3'
    handle = carried_out(tmp_path, text, image, distributed=DistributedSpec(kind="pytorch", processes_per_node=2))
    assert last(handle)["state"] == "Failed"
    assert "Traceback" not in Path(handle.paths.agent_log).read_text()


def test_outputs_and_logs_are_put_away_as_without_a_container(tmp_path: Path, image: str) -> None:
    text = "rm -rf outputs logs; mkdir outputs logs; echo m >outputs/m; echo l >logs/std_log.txt; mkdir kept; touch kept/x; echo said"
    handle = carried_out(tmp_path, text, image)
    paths = handle.paths
    assert (Path(paths.outputs, "m").read_text(), os.path.islink(paths.outputs)) == ("m\n", False)
    assert (output(handle), Path(paths.logs, "std_log.txt.from_script").read_text()) == ("said\n", "l\n")
    assert last(handle)["left_in_code"] == {"count": 1, "names": ["kept/"], "more": 0}
    assert sorted(os.listdir(paths.run_dir)) == sorted(
        ["agent.lock", "code", "events.jsonl", "logs", "metrics.jsonl", "outputs", "params.json", "plan.json", "records.jsonl",
         "run.json"]
    )


def test_further_attempts_write_into_the_same_files(tmp_path: Path, image: str) -> None:
    log = "python -c \"from trainconf import Run; Run.get_context().log('attempt', Run.get_context().attempt)\""
    text = f'{log}; echo "$TRAINCONF_ATTEMPT"; [ "$TRAINCONF_ATTEMPT" = 2 ]'
    handle = carried_out(tmp_path, text, image, retries=1, retry_backoff_seconds=0.0)
    assert (output(handle), last(handle)["state"]) == ("1\n2\n", "Completed")
    assert [json.loads(line)["value"] for line in Path(handle.paths.metrics).read_text().splitlines()] == [1, 2]
    assert last(handle)["resources"]["peak_rss_bytes"]


SHOW = "grep -E '^(NoNewPrivs|CapBnd|CapEff):' /proc/self/status; cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null"


def test_a_job_has_no_rights_that_it_did_not_ask_for(tmp_path: Path, image: str) -> None:
    shown = output(carried_out(tmp_path / "a", SHOW, image)).split()
    assert shown == ["CapEff:", "0" * 16, "CapBnd:", "0" * 16, "NoNewPrivs:", "1", "16384"]
    asked = {"capabilities": ["CHOWN"], "pids_limit": 50, "no_new_privileges": False, "arguments": {"cap_add": ["KILL"]}}
    shown = output(carried_out(tmp_path / "b", SHOW, image, compute=asked)).split()
    assert shown[3:] == [f"{1 | 1 << 5:016x}", "NoNewPrivs:", "0", "50"]  # capabilities(7): CHOWN is 0, KILL 5
    shown = output(carried_out(tmp_path / "c", SHOW, image, compute={"capabilities": None, "pids_limit": None})).split()
    assert int(shown[3], 16) & 1 << 13  # NET_RAW, which an engine gives
    assert shown[-1] == "max"


def test_too_many_processes_fail_in_the_container_and_nowhere_else(tmp_path: Path, image: str) -> None:
    text = "i=0; while [ $i -lt 100 ]; do sleep 5 & i=$((i+1)); done; wait"
    handle = carried_out(tmp_path, text, image, compute={"pids_limit": 20})
    assert last(handle)["state"] == "Failed"
    assert "ork" in output(handle)  # Cannot fork
