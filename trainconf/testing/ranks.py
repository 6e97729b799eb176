"""What every launcher must do for several processes on one node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainconf.errors import ConfigError
from trainconf.history import events
from trainconf.launchers.protocol import Launcher
from trainconf.spec import DistributedSpec
from trainconf.testing.contract import Contract
from trainconf.testing.runs import last, output, shell, submit, until_sigterm, until_up, wait_until

PLACES = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
THREE = DistributedSpec(kind="pytorch", processes_per_node=3, communication_backend="gloo")
WORKERS_AND_SERVER = DistributedSpec(kind="tensorflow", worker_count=2, parameter_server_count=1)
# A rank that meets the others where MASTER_ADDR says.
MEET = """
import os, socket
where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
if os.environ["RANK"] == "0":
    server = socket.create_server(where, reuse_port=False)
    heard = sorted(server.accept()[0].makefile().readline().strip() for _ in range(2))
    print(heard)
else:
    for _ in range(600):
        try:
            with socket.create_connection(where) as connection:
                connection.sendall(os.environ["RANK"].encode() + b"\\n")
            break
        except ConnectionRefusedError:
            __import__("time").sleep(0.1)
"""
# A task of TF_CONFIG that listens where the others are told it does.
LISTEN = """
import json, os, socket, time
told = json.loads(os.environ["TF_CONFIG"])
task = told["task"]
host, port = told["cluster"][task["type"]][task["index"]].split(":")
socket.create_server((host, int(port)))
print(json.dumps(told), flush=True)
open("outputs/" + os.environ["RANK"], "w").close()
while len(os.listdir("outputs")) < 3:  # the server is ended when the workers are done
    time.sleep(0.05)
"""


class RanksContract(Contract):
    """Part of `LauncherContract`."""

    def test_every_rank_knows_its_place_and_has_a_log_of_its_own(self, launcher: Launcher, root: str) -> None:
        words = " ".join(f"${name}" for name in PLACES)
        handle = self.run(launcher, self.job(root, shell(f"echo {words}; echo error >&2"), distributed=THREE))
        assert [output(handle, rank) for rank in range(3)] == [f"{rank} {rank} 0 3 3\nerror\n" for rank in range(3)]
        running = next(event for event in events.read(handle.paths) if event["state"] == "Running")
        assert [rank["rank"] for rank in running["ranks"]] == [0, 1, 2]

    def test_what_differs_from_rank_to_rank_is_no_variable_of_the_job(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("true"), distributed=THREE, env={"RANK": "0", "MINE": "1"}, secrets={"WORLD_SIZE": "1"})
        with pytest.raises(ConfigError, match=r"env\.variables\.RANK would be the same in every process") as refused:
            launcher.plan(job)
        assert len(refused.value.mistakes) == 2

    def test_all_ranks_can_meet_where_they_are_told(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, self.python(MEET), distributed=THREE))
        assert (last(handle)["state"], output(handle)) == ("Completed", "['1', '2']\n")

    def test_every_task_can_listen_where_the_others_are_told_it_does(self, launcher: Launcher, root: str) -> None:
        handle = self.run(launcher, self.job(root, self.python(LISTEN), distributed=WORKERS_AND_SERVER))
        assert last(handle)["state"] == "Completed"
        told = [json.loads(output(handle, rank)) for rank in range(3)]
        assert [config["task"] for config in told] == [{"type": t, "index": n} for t, n in (("worker", 0), ("worker", 1), ("ps", 0))]
        assert all(config["cluster"] == told[0]["cluster"] for config in told)

    def test_the_first_rank_that_fails_decides_and_the_others_are_ended_gracefully(self, launcher: Launcher, root: str) -> None:
        waiting = until_sigterm(": >outputs/up$RANK", "echo told > outputs/told$RANK; exit 9")
        text = f"if [ $RANK = 1 ]; then {until_up(0, 2)}; exit 7; fi; {waiting}"
        handle = self.run(launcher, self.job(root, shell(text), distributed=THREE))
        end = last(handle)
        assert (end["state"], end["exit_code"], end["rank"], end["reason"]) == ("Failed", 7, 1, "rank 1: exit code 7")
        assert sorted(path.name for path in Path(handle.paths.outputs).glob("told*")) == ["told0", "told2"]

    def test_ranks_that_ignore_the_end_are_killed_after_the_grace(self, launcher: Launcher, root: str) -> None:
        stubborn = "trap '' TERM; : >outputs/up$RANK; while :; do sleep 0.1; done"
        text = f"if [ $RANK = 1 ]; then {until_up(0, 2)}; kill -KILL $$; fi; {stubborn}"
        end = last(self.run(launcher, self.job(root, shell(text), distributed=THREE, grace_s=0.5)))
        assert (end["state"], end["exit_code"], end["rank"]) == ("Failed", 137, 1)

    def test_what_serves_the_others_is_ended_when_they_have_completed(self, launcher: Launcher, root: str) -> None:
        serve = until_sigterm(": >outputs/up", ": >outputs/told; exit 1")
        work = "until [ -e outputs/up ]; do sleep 0.1; done"
        handle = self.run(launcher, self.job(root, shell(f"if [ $RANK = 2 ]; then {serve}; fi; {work}"), distributed=WORKERS_AND_SERVER))
        assert (last(handle)["state"], last(handle)["exit_code"]) == ("Completed", 0)
        assert Path(handle.paths.outputs, "told").exists()

    def test_a_server_that_fails_by_itself_fails_the_run(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell("[ $RANK = 2 ] && exit 5; while :; do sleep 0.1; done"), distributed=WORKERS_AND_SERVER)
        end = last(self.run(launcher, job))
        assert (end["state"], end["exit_code"], end["rank"]) == ("Failed", 5, 2)

    def test_cancelling_reaches_every_rank(self, launcher: Launcher, root: str) -> None:
        job = self.job(root, shell(until_sigterm("echo up", ": >outputs/told$RANK; exit 1")), distributed=THREE)
        handle = submit(launcher, job)
        logs = [Path(handle.paths.log(rank)) for rank in range(3)]
        wait_until(lambda: all(log.exists() and "up\n" in log.read_text() for log in logs), "the ranks")
        launcher.cancel(handle)
        assert launcher.wait(handle).status == "Canceled"
        assert sorted(path.name for path in Path(handle.paths.outputs).iterdir()) == ["told0", "told1", "told2"]

    def test_a_retry_starts_every_rank_again(self, launcher: Launcher, root: str) -> None:
        code = "echo $TRAINCONF_ATTEMPT; [ $RANK$TRAINCONF_ATTEMPT != 21 ]"
        handle = self.run(launcher, self.job(root, shell(code), distributed=THREE, retries=1, retry_backoff_seconds=0.01))
        assert (last(handle)["state"], last(handle)["attempt"]) == ("Completed", 2)
        assert {output(handle, rank)[-2:] for rank in range(3)} == {"2\n"}
