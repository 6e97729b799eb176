"""What is known of MPI implementations, and what follows from it for a job."""

from __future__ import annotations

import pytest

from trainconf.distributed import mpi
from trainconf.distributed.mpi import Mpi

MPICH, OPEN_MPI, INTEL = Mpi("MPICH", "mpich", "5.0.2"), Mpi("Open MPI", "openmpi", "4.1.4"), Mpi("Intel MPI", "intel", "2021.19")
PMIS = ["pmix", "none", "cray_shasta", "pmi2", "pmix_v4"]
SLURM_22 = "MPI plugin types are...\n\tpmix\n\tnone\n\tcray_shasta\n\tpmi2\nspecific pmix plugin versions available: pmix_v4\n"
SLURM_20 = "srun: MPI types are...\nsrun: none\nsrun: pmi2\nsrun: openmpi\n"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("mpirun (Open MPI) 4.1.4\n\nReport bugs to", "Open MPI 4.1.4"),
        ("mpirun.openmpi (OpenRTE) 4.1.4\n\nReport bugs to", "Open MPI 4.1.4"),
        ("Open MPI v5.0.8, package: Open MPI, ident: 5.0.8", "Open MPI 5.0.8"),
        ("HYDRA build details:\n    Version:                                 5.0.2\n    Release Date:", "MPICH 5.0.2"),
        ("MPICH Version:      4.3.1\nMPICH Release date: Fri", "MPICH 4.3.1"),
        ("MVAPICH2 Version      :\t2.3.7\nMVAPICH2 Release date", "MVAPICH 2.3.7"),
        ("MPI VERSION    : CRAY MPICH version 8.1.27.26 (ANL base 3.4a2)", "Cray MPICH 8.1.27.26"),
        ("Intel(R) MPI Library for Linux* OS, Version 2021.11 Build 20231005", "Intel MPI 2021.11"),
        ("Intel(R) MPI Library 2021.11 for Linux* OS", "Intel MPI 2021.11"),
        ("bash: mpirun: command not found", "None"),
    ],
)
def test_an_mpi_is_recognised_by_what_it_or_its_mpirun_answers(answer: str, expected: str) -> None:
    assert str(mpi.recognise(answer)) == expected


@pytest.mark.parametrize(("text", "expected"), [(SLURM_22, PMIS), (SLURM_20, ["none", "pmi2", "openmpi"]), ("", [])])
def test_what_srun_lists_is_read_whatever_its_age(text: str, expected: list[str]) -> None:
    assert mpi.read_pmis(text) == expected


@pytest.mark.parametrize(
    ("library", "mpirun", "pmis", "expected"),
    [
        (MPICH, MPICH, None, "/bin/mpirun of MPICH 5.0.2"),
        (OPEN_MPI, OPEN_MPI, None, "/bin/mpirun of Open MPI 4.1.4"),
        (None, None, None, "/bin/mpirun"),
        (MPICH, OPEN_MPI, PMIS, "srun --mpi=pmi2 for MPICH 5.0.2"),
        (MPICH, MPICH, ["none", "pmix"], "/bin/mpirun of MPICH 5.0.2"),
        (OPEN_MPI, OPEN_MPI, PMIS, "/bin/mpirun of Open MPI 4.1.4"),
        (INTEL, INTEL, PMIS, "/bin/mpirun of Intel MPI 2021.19"),
        (None, MPICH, PMIS, "srun --mpi=pmi2 for MPICH 5.0.2"),
    ],
)
def test_the_launcher_is_what_the_mpi_wants_where_it_is(
    library: Mpi | None, mpirun: Mpi | None, pmis: list[str] | None, expected: str
) -> None:
    assert str(mpi.choose("auto", None, library, [("/bin/mpirun", mpirun)], pmis)) == expected


def test_what_was_asked_for_wins_over_what_would_be_chosen() -> None:
    there = [("/bin/mpirun", MPICH)]
    assert str(mpi.choose("mpirun", None, MPICH, there, None)) == "/bin/mpirun of MPICH 5.0.2"
    assert str(mpi.choose("auto", "pmix_v4", OPEN_MPI, [], PMIS)) == "srun --mpi=pmix_v4 for Open MPI 4.1.4"
    assert str(mpi.choose("srun", None, INTEL, [], PMIS)) == "srun --mpi=pmi2 for Intel MPI 2021.19"


def test_the_mpirun_that_fits_is_taken_of_several() -> None:
    assert mpi.choose("auto", None, MPICH, [("/a/mpirun", OPEN_MPI), ("/b/mpirun.mpich", MPICH)], None).program == "/b/mpirun.mpich"


@pytest.mark.parametrize(
    ("launcher", "pmi", "library", "programs", "pmis", "words"),
    [
        ("auto", None, MPICH, [("/bin/mpirun", OPEN_MPI)], None, "loads MPICH 5.0.2, but /bin/mpirun is of Open MPI 4.1.4"),
        ("auto", None, OPEN_MPI, [("/bin/mpirun", MPICH)], PMIS, "loads Open MPI 4.1.4, but /bin/mpirun is of MPICH 5.0.2"),
        ("auto", None, None, [], PMIS, "no mpirun is on the job's PATH"),
        ("srun", None, MPICH, [], None, "this is not a Slurm job"),
        ("srun", None, None, [], PMIS, "this Slurm has no --mpi for the MPI of the job, which is unknown"),
        ("srun", "pmix_v9", MPICH, [], PMIS, "distributed.pmi=pmix_v9 is not what this Slurm has: pmix, none"),
        ("srun", None, MPICH, [], ["none"], "this Slurm has no --mpi for MPICH 5.0.2; it has none"),
    ],
)
def test_what_would_leave_every_process_alone_is_refused(
    launcher: str, pmi: str | None, library: Mpi | None, programs: list[tuple[str, Mpi | None]], pmis: list[str] | None, words: str
) -> None:
    with pytest.raises(mpi.NoMpi) as refused:
        mpi.choose(launcher, pmi, library, programs, pmis)
    assert words in refused.value.reason
    assert refused.value.hint


@pytest.mark.parametrize(
    ("launch", "per_node", "arguments", "expected"),
    [
        (mpi.Launch("mpirun", "mpirun", MPICH), 2, [], "mpirun -n 6 -ppn 2 agent"),
        (mpi.Launch("mpirun", "mpirun", OPEN_MPI), 2, ["-x", "A"], "mpirun -n 6 --map-by ppr:2:node -x A agent"),
        (mpi.Launch("mpirun", "mpirun", OPEN_MPI), 2, ["--map-by", "node"], "mpirun -n 6 --map-by node agent"),
        (mpi.Launch("mpirun", "mpirun", None), 2, [], "mpirun -n 6 agent"),
        (
            mpi.Launch("srun", "srun", MPICH, "pmi2"), 2, [],
            "srun --mpi=pmi2 --nodes=3 --ntasks=6 --ntasks-per-node=2 --cpus-per-task=2"
            " --distribution=block --cpu-bind=none --kill-on-bad-exit=0 --export=ALL -- agent",
        ),
        (
            mpi.Launch("srun", "srun", MPICH, "pmi2"), 8, [],
            "srun --mpi=pmi2 --nodes=3 --ntasks=24 --ntasks-per-node=8 --cpus-per-task=1 --overcommit"
            " --distribution=block --cpu-bind=none --kill-on-bad-exit=0 --export=ALL -- agent",
        ),
    ],
)  # fmt: skip
def test_the_layout_is_told_in_the_words_of_each(launch: mpi.Launch, per_node: int, arguments: list[str], expected: str) -> None:
    assert " ".join(mpi.command(launch, 3, per_node, 4, arguments, ["agent"])) == expected


def test_a_place_is_what_the_mpi_tells_and_never_what_slurm_tells_a_daemon() -> None:
    daemon = {"SLURM_PROCID": "0", "SLURM_NTASKS": "3", "SLURM_LOCALID": "0"}
    place = mpi.Place({**daemon, "OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "6", "OMPI_COMM_WORLD_LOCAL_RANK": "1"})
    assert (place.rank, place.size, place.local_rank) == (5, 6, 1)
    assert mpi.Place(daemon).rank is None
