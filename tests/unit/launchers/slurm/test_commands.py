"""What the commands are asked, and how their output is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.unit.launchers.slurm.stand_in import Answering
from trainconf.launchers.slurm.commands import Controller, clean
from trainconf.process import Completed


def test_what_a_job_was_told_is_not_handed_on_and_what_names_the_cluster_is() -> None:
    environ = {"SLURM_JOB_ID": "1", "SBATCH_ACCOUNT": "x", "SINFO_PARTITION": "x", "PMIX_RANK": "0", "OMPI_X": "1", "MASTER_PORT": "1",
               "HIP_VISIBLE_DEVICES": "0"}  # fmt: skip
    environ |= {"TORCHELASTIC_RUN_ID": "1", "ROLE_RANK": "1", "GROUP_WORLD_SIZE": "2", "MPI_LOCALRANKID": "1"}
    kept = {"SLURM_CONF": "/etc/s", "SLURM_JWT": "t", "RANKING": "kept", "PATH": "/bin"}
    assert clean(environ | kept) == kept


class Recording(Answering):
    """Answers, and remembers what it was asked."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.asked: list[list[str]] = []

    def run(
        self, argv: Sequence[str], *, cwd: str | None = None, env: Mapping[str, str] | None = None, input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Completed:  # fmt: skip
        self.asked.append(list(argv))
        return super().run(argv, timeout_s=timeout_s)


def test_many_ids_are_asked_in_lists_that_a_command_line_holds() -> None:
    asked = Recording("")
    ids = [str(10_000_000 + number) for number in range(30_000)]
    assert Controller({}, asked).accounted(ids) == {}
    assert Controller({}, asked).exit_codes(ids) == {}
    assert max(len(word) for argv in asked.asked for word in argv) < 100_000
    words = ",".join(word for argv in asked.asked for word in argv if word.startswith("--jobs="))
    assert words.count("10029999") == 2


def test_tasks_that_never_began_are_told_by_the_accounting_as_one() -> None:
    said = "7_[0-2,5%2]|CANCELLED by 0|||run|0:0\n8_1|FAILED|n1||run|0:9\n9|COMPLETED|n1||run|0:0"
    told = Controller({}, Answering(said)).accounted(["7_1"])
    assert told is not None
    assert {job_id: found.state for job_id, found in told.items() if job_id.startswith("7")} == dict.fromkeys(
        ["7_0", "7_1", "7_2", "7_5"], "CANCELLED by 0"
    )
    assert (told["8_1"].exit_code, told["9"].state) == ("0:9", "COMPLETED")


def test_exit_codes_are_told_as_slurm_prints_them() -> None:
    assert Controller({}, Answering("5|1792|\n6_2|9|\n7|53|\n8|0|\n")).exit_codes(["5", "6_2", "7", "8"]) == {
        "5": "7:0", "6_2": "0:9", "7": "0:53", "8": "0:0",
    }  # fmt: skip
