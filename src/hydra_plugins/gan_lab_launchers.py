"""Hydra's launchers of a sweep: in turn, or by joblib, submitit and Ray, where every cell is a
process of its own.

They stand here because Hydra accepts launchers only from the namespace `hydra_plugins`. It imports
what it finds there at every start, so joblib, submitit and ray are imported where they are used.
Each class says why the package of its kind (hydra-joblib-launcher, ...) does not do.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import shutil
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig

from gan_lab import checks, terminal
from gan_lab.errors import UserError, one_line
from gan_lab.sweeps import (
    PlannedCell,
    Sweep,
    check_place,
    distinguishing_overrides,
    shared,
    task_overrides,
)
from gan_lab.sweeps.callback import sweep_of
from gan_lab.sweeps.composing import CellConfigs, compose_cell, plan_sweep
from gan_lab.sweeps.job import Job


class _Launcher(Launcher):
    """What Hydra hands over, and the Sweep with it.

    Hydra makes the callbacks and the launcher, one after the other. `SweepCallback` has planned the
    sweep by then, and is in the `hydra_context` that a launcher is set up with.
    """

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Part of Hydra's interface."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def _plan(
        self, job_overrides: Sequence[Sequence[str]], first_number: int
    ) -> tuple[Sweep, Sequence[PlannedCell]]:
        """The sweep, and those of its cells that these overrides make."""
        sweep = sweep_of(self.context)
        cells = sweep.cells[first_number:][: len(job_overrides)] if sweep is not None else ()
        if sweep and [cell.overrides for cell in cells] == [*map(task_overrides, job_overrides)]:
            return sweep, cells

        # there is no callback, or a sweeper of somebody else's chose other cells than were planned
        planned = plan_sweep(self.context.config_loader, self.config, job_overrides, first_number)
        return sweep or planned, planned.cells


class CellLauncher(_Launcher):
    """What the launchers of processes share: make the jobs, let `run_all` run them, note those
    whose process was lost."""

    cells_end_with_sweep = True
    starts_every_device = False

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run all cells; one result for each, also where its process was killed."""
        # what is wrong with a field of the launcher is found before anything is sent
        setup_globals()
        with _refusing():
            self.check()
        self.sweep, cells = self._plan(job_overrides, initial_job_idx)
        self.sweep.directory.mkdir(parents=True, exist_ok=True)

        # everything that another process needs to be what this one is for a cell
        jobs = [
            Job(
                cell=cell,
                overrides=list(overrides),
                sweep=self.config,
                context=self.context,
                task=self.task,
                singletons=Singleton.get_state(),
                working_dir=str(Path.cwd()),
                parent=os.getpid() if self.cells_end_with_sweep else None,
                script=None if self.starts_every_device else str(Path(sys.argv[0]).resolve()),
            )
            for cell, overrides in zip(cells, job_overrides, strict=True)
        ]

        with _refusing():
            return self.run_all(jobs, Ended(self.sweep, cells))

    def check(self) -> None:
        """Check the fields, and that the packages are there.

        Raises:
            UserError: where a field cannot be used or a package is missing.
        """

    @abstractmethod
    def run_all(self, jobs: list[Job], ended: Ended) -> list[JobReturn]:
        """Run the jobs, call `ended` for each as it ends, return the
        results in the order of the jobs."""


class Ended:
    """Says of each job how it ended, notes it, and makes Hydra's result of it.

    Args:
        sweep: the sweep.
        cells: those that are run now.
    """

    def __init__(self, sweep: Sweep, cells: Sequence[PlannedCell]) -> None:
        self.sweep, self.all, self.count = sweep, len(cells), 0
        self.common = shared(cell.overrides for cell in cells)

    def __call__(self, job: Job, outcome: tuple[bool, str] | None, lost: str = "") -> JobReturn:
        """Take in the end of a job.

        Args:
            job: which one.
            outcome: what the job returned; None where its process ended without a result.
            lost: what is known of such a process.
        """
        succeeded, reason = outcome or (False, lost)
        cell = job.cell
        if not succeeded:
            status = "failed" if outcome else "interrupted"
            self.sweep.note_failed(cell.run_dir, cell.overrides, reason, status)

        # one line as it ends: hours may lie between two of them
        self.count += 1
        name = distinguishing_overrides(cell.overrides, self.common)
        terminal.tell(f"[{self.count}/{self.all}] {name}: {'done' if succeeded else reason}")
        if succeeded:
            return JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED)
        return _failed(job.overrides, reason)


class CellSweeper(BasicSweeper):
    """Hydra's basic sweeper, which does not compose every cell again where SweepCallback has done
    so.

    Why our own: Hydra's composes each cell at a tenth of a second, so that the first of 200 cells
    waits 20 seconds; `CellConfigs` composes each combination of options once.
    """

    # written out, since the check of a config reads no package but ours (config.signature)
    def __init__(self, max_batch_size: int | None, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size, params)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Part of Hydra's: its messages are those for a cell that cannot be composed."""
        if sweep_of(self.hydra_context) is None:
            super().validate_batch_is_legal(batch)


class SerialLauncher(_Launcher):
    """One cell after another in this process.

    Why our own: where a cell can have no folder (a file is in the way, its name is too long, ...)
    the others go on, while Hydra's basic launcher ends the sweep there.
    """

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run all cells; one result for each."""
        setup_globals()
        self.sweep, cells = self._plan(job_overrides, initial_job_idx)
        return [
            self._run(cell, list(overrides))
            for cell, overrides in zip(cells, job_overrides, strict=True)
        ]

    def _run(self, cell: PlannedCell, overrides: list[str]) -> JobReturn:
        terminal.tell(f"cell {cell.number}: {' '.join(cell.overrides)}")
        composed = compose_cell(self.context.config_loader, self.config, overrides, cell.number)
        try:
            check_place(cell.run_dir)
            return run_job(
                hydra_context=self.context,
                task_function=self.task,
                config=composed,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )

        # of its folder; every other error is in the result, and SweepCallback has noted it
        except (UserError, OSError) as error:
            terminal.tell(f"error: {error}", error=True)
            self.sweep.note_failed(cell.run_dir, cell.overrides, str(error))
            return _failed(overrides, str(error))


def _failed(overrides: Sequence[str], reason: str) -> JobReturn:
    """Hydra's result of a job that failed; asking it for its value raises the reason."""
    result = JobReturn(overrides=overrides, status=JobStatus.FAILED)
    result.return_value = CompactHydraException(reason)
    return result


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn a UserError inside into Hydra's, which ends a sweep in one line."""
    try:
        yield
    except UserError as error:
        raise CompactHydraException(str(error)) from None


class JoblibLauncher(CellLauncher):
    """`n_jobs` cells at a time on this machine, in processes of joblib's loky.

    Why our own: with hydra-joblib-launcher one worker that is killed (out of memory) ends the
    sweep. Here a cell has a process of its own, the threads are divided among the cells, and they
    can take turns on GPUs.

    Args:
        n_jobs: cells at a time; -1: one for each core.
        gpus: numbers of the devices that the cells take turns on.
    """

    def __init__(self, n_jobs: int, gpus: list[int] | None) -> None:
        self.n_jobs, self.gpus = n_jobs, gpus

    def check(self) -> None:
        """See CellLauncher."""
        if self.n_jobs != -1:
            beside = ", or -1 for one job for each core"
            checks.whole("hydra.launcher.n_jobs", self.n_jobs, at_least=1, beside=beside)
        if self.gpus is not None and not (self.gpus and isinstance(self.gpus, list | ListConfig)):
            raise UserError(
                f"hydra.launcher.gpus={self.gpus}: must be a list of devices' numbers, as [0,1]"
            )
        for number in self.gpus or ():
            checks.whole("hydra.launcher.gpus", number)

    def run_all(self, jobs: list[Job], ended: Ended) -> list[JobReturn]:
        """See CellLauncher."""
        import joblib
        from joblib.externals.loky.process_executor import (
            ProcessPoolExecutor,
            TerminatedWorkerError,
        )

        # without this every cell would take all cores, and they would wait for each other
        cores = joblib.cpu_count()
        n_jobs = min(cores if self.n_jobs == -1 else self.n_jobs, len(jobs))
        threads = os.environ.get("OMP_NUM_THREADS", str(max(1, cores // n_jobs)))
        terminal.tell(f"{len(jobs)} cells, {n_jobs} at a time, {threads} threads each")
        environment = dict.fromkeys(
            ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads
        )

        slots = list(range(n_jobs))

        # a pool of one process for each cell: the death of a worker breaks its whole pool
        def run(job: Job) -> JobReturn:
            slot = slots.pop()
            device = (
                {"CUDA_VISIBLE_DEVICES": str(self.gpus[slot % len(self.gpus)])} if self.gpus else {}
            )
            try:
                with ProcessPoolExecutor(max_workers=1, env=environment | device) as process:
                    return ended(job, process.submit(job).result())
            except TerminatedWorkerError as error:
                return ended(job, None, f"its process was killed ({_exit_codes(error)})")
            finally:
                slots.append(slot)

        # after Ctrl-C no further cell begins, and those that run are waited for
        with ThreadPoolExecutor(n_jobs) as pool:
            try:
                return list(pool.map(run, jobs))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise


def _exit_codes(error: Exception) -> str:
    """ "SIGKILL(-9)" out of loky's message."""
    found = re.search(r"exit codes of the workers are \{([^}]*)\}", str(error))
    return found[1] if found else "no exit code"


class SubmititLauncher(CellLauncher):
    """Cells as jobs of Slurm, or of submitit's local executor. A Slurm job
    outlives the process that sent it.

    Why our own: with hydra-submitit-launcher the first job that leaves no result ends the waiting
    for the others. Here each is told as it ends, one whose time is over is sent again and goes on
    from its checkpoint, and a cell of several devices is one job with a task for each.

    Slurm starts a task for each of the cells' devices, with a GPU unless they train on the CPU. On
    this machine a cell of several devices is one task, which starts the others.

    Args:
        cluster: slurm or local.
        folder: of submitit's scripts, results and output.
        timeout_min: minutes after which the job is sent again.
        cpus_per_task: cores.
        mem_gb: memory; None: Slurm's default.
        name: of the jobs.
        slurm: what else submitit passes on (partition, account, array_parallelism, ...).
    """

    def __init__(
        self,
        cluster: str,
        folder: str,
        timeout_min: int,
        cpus_per_task: int,
        mem_gb: float | None,
        name: str,
        slurm: dict[str, Any],
    ) -> None:
        self.cluster, self.folder = cluster, folder
        self.resources = {
            "timeout_min": timeout_min,
            "cpus_per_task": cpus_per_task,
            "mem_gb": mem_gb,
            "name": name,
        }

        self.slurm = dict(slurm)
        self.starts_every_device = cluster == "slurm"
        self.cells_end_with_sweep = cluster == "local"

    def check(self) -> None:
        """See CellLauncher."""
        _need("submitit", "submitit", "sweeps")
        checks.choice("hydra.launcher.cluster", self.cluster, ("slurm", "local"))
        if self.cluster == "slurm" and shutil.which("srun") is None:
            raise UserError(
                "hydra/launcher=submitit_slurm: there is no srun on this machine; start the sweep "
                "where Slurm's commands are, or add hydra/launcher=joblib"
            )
        for field in ("timeout_min", "cpus_per_task"):
            checks.whole(f"hydra.launcher.{field}", self.resources[field], at_least=1)

    def run_all(self, jobs: list[Job], ended: Ended) -> list[JobReturn]:
        """See CellLauncher."""
        import submitit

        # submitit's own fields, and Slurm's with a prefix
        executor = submitit.AutoExecutor(folder=self.folder, cluster=self.cluster)
        resources = {key: value for key, value in self.resources.items() if value is not None}
        resources |= {f"slurm_{key}": value for key, value in self.slurm.items()}
        if self.cluster == "slurm":
            resources |= self._tasks(jobs)
        try:
            executor.update_parameters(**resources)
        except (NameError, TypeError, ValueError) as error:
            raise UserError(f"hydra.launcher: submitit refuses it ({one_line(error)})") from None

        # from here on the jobs may run on after Ctrl-C, and the report at the end says so
        sent = executor.map_array(_Task(), jobs)
        self.sweep.goes_on = self.cluster == "slurm"
        terminal.tell(
            f"{len(jobs)} jobs sent to {self.cluster}: {', '.join(job.job_id for job in sent)}"
        )

        # in whatever order they end; asking Slurm more often would load its controller
        results: dict[int, JobReturn] = {}
        while len(results) < len(jobs):
            for i, handle in enumerate(sent):
                if i not in results and handle.done():
                    results[i] = self._ended(jobs[i], handle, ended)
            time.sleep(1 if self.cluster == "local" else 10)
        return [results[i] for i in range(len(jobs))]

    def _ended(self, job: Job, handle: Any, ended: Ended) -> JobReturn:
        try:
            return ended(job, handle.results()[0])  # of the first task, which writes the record
        except Exception as error:  # submitit has several for a job that left no result
            text = str(error).strip() or type(error).__name__
            if found := re.search(r"CompactHydraException: (.*)", text):  # see _Task
                return ended(job, (False, found[1]))
            job_and_state = f"job {handle.job_id}, {handle.state}: {text.splitlines()[0]}"
            return ended(job, None, f"its process ended without a result ({job_and_state})")

    def _tasks(self, jobs: list[Job]) -> dict[str, int]:
        """What submitit asks of Slurm for the devices of the cells,
        which must be the same for all."""
        asked = set()

        configs = CellConfigs(self.context.config_loader, self.config)
        for job in jobs:
            config = configs.compose(job.overrides, job.cell.number)
            trainer = config.get("trainer", {"accelerator": config.get("device")})  # or a study
            devices = trainer.get("devices", 1)
            if isinstance(devices, bool) or not isinstance(devices, int):
                raise UserError(
                    f"trainer.devices={devices}: Slurm must be told a number, as trainer.devices=4"
                )

            gpus = 0 if trainer.get("accelerator") == "cpu" else devices
            asked.add((trainer.get("num_nodes", 1), devices, gpus))

        # the jobs are sent as one array, which has one set of resources
        if len(asked) > 1:
            raise UserError(
                "the cells of one sweep need the same devices on Slurm: "
                "make a sweep for each number"
            )
        ((nodes, devices, gpus),) = asked
        return {"nodes": nodes, "tasks_per_node": devices, "gpus_per_node": gpus}


class _Task:
    """What submitit calls in every task of a job."""

    def __call__(self, job: Job) -> tuple[bool, str]:
        succeeded, reason = job()
        if not succeeded and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
            # the exit code makes srun end the other tasks, which would wait
            raise CompactHydraException(reason)
        return succeeded, reason

    def checkpoint(self, job: Job) -> Any:
        """Part of submitit's interface: what runs after this job was
        preempted, or its time was over."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job.to_go_on())


def _run(job: Job) -> tuple[bool, str]:
    return job()


class RayLauncher(CellLauncher):
    """Cells as tasks of a Ray cluster: one that is there (`address`), else one
    on this machine for this sweep.

    Why our own: hydra-ray-launcher cannot be installed beside cloudpickle 3, and the first task
    that is killed ends its sweep. Here a cell is a process, its loss is one failed cell, and a
    cluster on this machine ends with the sweep.

    Args:
        address: of a cluster that runs; None: one on this machine.
        cpus_per_cell: cores, and threads, of a cell.
        gpus_per_cell: GPUs, or a part of one.
        num_cpus: cores that a cluster on this machine may use; None: all of them.
    """

    def __init__(
        self, address: str | None, cpus_per_cell: float, gpus_per_cell: float, num_cpus: int | None
    ) -> None:
        self.address, self.num_cpus = address, num_cpus
        self.cpus, self.gpus = cpus_per_cell, gpus_per_cell
        self.cells_end_with_sweep = address is None

    def check(self) -> None:
        """See CellLauncher."""
        _need("ray", "ray", "ray")
        if self.num_cpus is not None:
            checks.whole("hydra.launcher.num_cpus", self.num_cpus, at_least=1)
        for field, value in {"cpus_per_cell": self.cpus, "gpus_per_cell": self.gpus}.items():
            checks.number(f"hydra.launcher.{field}", value, at_least=0)
        if self.address is None and self.cpus > (there := self.num_cpus or os.cpu_count() or 1):
            raise UserError(
                f"hydra.launcher.cpus_per_cell={self.cpus}: must be at most {there}, the cores"
            )

    def run_all(self, jobs: list[Job], ended: Ended) -> list[JobReturn]:
        """See CellLauncher."""
        import ray

        # a cluster that is there has its own cores and dashboard
        here: dict[str, Any] = (
            {"num_cpus": self.num_cpus, "include_dashboard": False} if self.address is None else {}
        )
        ray.init(
            address=self.address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **here,
        )
        try:
            # a process for each cell, as with the others; what was killed is told, not tried again
            options = {"max_calls": 1, "max_retries": 0}
            run = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, **options)(_run)
            waiting = {run.remote(job): job for job in jobs}

            # in whatever order they end
            results: dict[int, JobReturn] = {}
            while waiting:
                (task, *_), _rest = ray.wait(list(waiting), num_returns=1)
                job = waiting.pop(task)
                try:
                    results[job.cell.number] = ended(job, ray.get(task))
                except ray.exceptions.RayError as error:
                    reason = f"its process was killed ({type(error).__name__})"
                    results[job.cell.number] = ended(job, None, reason)
            return [results[job.cell.number] for job in jobs]
        finally:
            ray.shutdown()


def _need(module: str, package: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise UserError(
            f"this launcher needs the package {package}: pip install --constraint constraints.txt "
            f"'.[{extra}]'"
        )
