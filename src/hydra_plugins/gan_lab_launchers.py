"""Hydra's launchers of a sweep: in turn, or by joblib, submitit and Ray, where every cell is a
process of its own.

Why not the packages hydra-{joblib,submitit,ray}-launcher: they end a sweep with the first worker
that is killed, and the last cannot be installed beside cloudpickle 3. Hydra accepts launchers only
from the namespace `hydra_plugins`, and imports what it finds there at every start.
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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, ListConfig

from gan_lab import sweeps, terminal
from gan_lab.errors import UserError
from gan_lab.sweeps import callback
from gan_lab.sweeps.job import Job, cell_dir, compose_cell, place


class _Launcher(Launcher):
    """Keeps what Hydra hands over."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Part of Hydra's interface."""
        self.context, self.task, self.config = hydra_context, task_function, config


class CellLauncher(_Launcher):
    """What the launchers share: make the jobs, let `run_all` run them, note those whose process was
    lost."""

    cells_end_with_sweep = True
    starts_every_device = False

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run all cells; one result for each, also where its process was killed."""
        setup_globals()
        self.check()
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        jobs = [
            Job(
                number=initial_job_idx + i,
                overrides=list(overrides),
                sweep=self.config,
                context=self.context,
                task=self.task,
                singletons=Singleton.get_state(),
                folder=str(Path.cwd()),
                parent=os.getpid() if self.cells_end_with_sweep else None,
                script=None if self.starts_every_device else str(Path(sys.argv[0]).resolve()),
            )
            for i, overrides in enumerate(job_overrides)
        ]
        self.told = 0

        common = sweeps.shared(sweeps.typed(job.overrides) for job in jobs)

        def tell(job: Job, outcome: tuple[bool, str] | None, lost: str = "") -> JobReturn:
            """outcome: None where the process ended without one; `lost` says what is known."""
            self.told += 1
            ok, why = outcome or (False, lost)
            typed = sweeps.typed(job.overrides)
            if not ok:
                status = "failed" if outcome else "interrupted"
                sweeps.note_failed(cell_dir(job.composed()), typed, why, status)
            name = sweeps.telling(typed, common)
            terminal.tell(f"[{self.told}/{len(jobs)}] {name}: {'done' if ok else why}")
            return (
                JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED)
                if ok
                else _failed(job.overrides, why)
            )

        return self.run_all(jobs, tell)

    def check(self) -> None:
        """Raises CompactHydraException where a field cannot be used or a package is missing."""

    @abstractmethod
    def run_all(self, jobs: list[Job], tell: Callable[..., JobReturn]) -> list[JobReturn]:
        """Run the jobs, call `tell` for each as it ends, return the results in the order of the
        jobs."""


class CellSweeper(BasicSweeper):
    """Hydra's own, without composing every cell once more before the first where SweepCallback has
    done so."""

    def __init__(self, max_batch_size: int | None, params: dict[str, str] | None = None) -> None:
        super().__init__(max_batch_size, params)

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Part of Hydra's: its messages are those for a cell that cannot be composed."""
        if not callback.is_composed():
            super().validate_batch_is_legal(batch)


class SerialLauncher(_Launcher):
    """One cell after another in this process. As Hydra's basic launcher, but where a cell can have
    no folder (a file is in the way, its name is too long, ...) the others go on."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run all cells; one result for each."""
        setup_globals()
        return [
            self._run(number, list(overrides), sweeps.typed(overrides))
            for number, overrides in enumerate(job_overrides, initial_job_idx)
        ]

    def _run(self, number: int, overrides: list[str], typed: Sequence[str]) -> JobReturn:
        terminal.tell(f"cell {number}: {' '.join(typed)}")
        composed = compose_cell(self.context.config_loader, self.config, overrides, number)
        run_dir = cell_dir(composed)
        try:
            sweeps.check_place(run_dir)
            return run_job(
                hydra_context=self.context,
                task_function=self.task,
                config=composed,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
        except (UserError, OSError) as error:  # of its folder; every other error is in the result
            terminal.tell(f"error: {error}", error=True)
            sweeps.note_failed(run_dir, typed, str(error))
            return _failed(overrides, str(error))


def _failed(overrides: Sequence[str], why: str) -> JobReturn:
    result = JobReturn(overrides=overrides, status=JobStatus.FAILED)
    result.return_value = CompactHydraException(why)
    return result


def _whole(name: str, value: Any, words: str = "at least 1", least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise CompactHydraException(
            f"hydra.launcher.{name}={value}: must be a whole number, {words}"
        )


class JoblibLauncher(CellLauncher):
    """`n_jobs` cells at a time on this machine, in processes of joblib's loky; threads are divided
    among them."""

    def __init__(self, n_jobs: int, gpus: list[int] | None) -> None:
        """n_jobs: -1 for one for each core. gpus: numbers of the devices that the cells take turns
        on."""
        self.n_jobs, self.gpus = n_jobs, gpus

    def check(self) -> None:
        """See CellLauncher."""
        if self.n_jobs != -1:
            _whole("n_jobs", self.n_jobs, "at least 1, or -1 for one job for each core")
        if self.gpus is not None and not (self.gpus and isinstance(self.gpus, list | ListConfig)):
            raise CompactHydraException(
                f"hydra.launcher.gpus={self.gpus}: must be a list of devices' numbers, as [0,1]"
            )
        for number in self.gpus or ():
            _whole("gpus", number, "at least 0", least=0)

    def run_all(self, jobs: list[Job], tell: Callable[..., JobReturn]) -> list[JobReturn]:
        """See CellLauncher."""
        import joblib
        from joblib.externals.loky.process_executor import (
            ProcessPoolExecutor,
            TerminatedWorkerError,
        )

        cores = joblib.cpu_count()
        n_jobs = min(cores if self.n_jobs == -1 else self.n_jobs, len(jobs))
        threads = os.environ.get("OMP_NUM_THREADS", str(max(1, cores // n_jobs)))
        terminal.tell(f"{len(jobs)} cells, {n_jobs} at a time, {threads} threads each")
        environment = dict.fromkeys(
            ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads
        )
        slots = list(range(n_jobs))

        def run(job: Job) -> JobReturn:
            slot = slots.pop()
            device = (
                {"CUDA_VISIBLE_DEVICES": str(self.gpus[slot % len(self.gpus)])} if self.gpus else {}
            )
            try:
                with ProcessPoolExecutor(max_workers=1, env=environment | device) as process:
                    return tell(job, process.submit(job).result())
            except TerminatedWorkerError as error:
                return tell(job, None, f"its process was killed ({_exit_codes(error)})")
            finally:
                slots.append(slot)

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
    """Cells as jobs of Slurm, or of submitit's local executor. A Slurm job outlives the process
    that sent it."""

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
        """cluster: slurm or local. slurm: what else submitit passes on (partition, account,
            array_parallelism, ...).

        Slurm starts a task for each of the cells' devices, with a GPU unless they train on the CPU.
        On this machine a cell of several devices is one task, which starts the others.
        """
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
        if self.cluster not in ("slurm", "local"):
            raise CompactHydraException(
                f"hydra.launcher.cluster={self.cluster}: choose slurm or local"
            )
        if self.cluster == "slurm" and shutil.which("srun") is None:
            raise CompactHydraException(
                "hydra/launcher=submitit_slurm: there is no srun on this machine; start the sweep "
                "where Slurm's "
                "commands are, or add hydra/launcher=joblib"
            )
        for field in ("timeout_min", "cpus_per_task"):
            _whole(field, self.resources[field])

    def run_all(self, jobs: list[Job], tell: Callable[..., JobReturn]) -> list[JobReturn]:
        """See CellLauncher."""
        import submitit

        executor = submitit.AutoExecutor(folder=self.folder, cluster=self.cluster)
        resources = {key: value for key, value in self.resources.items() if value is not None}
        resources |= {f"slurm_{key}": value for key, value in self.slurm.items()}
        if self.cluster == "slurm":
            resources |= _tasks(jobs)
        try:
            executor.update_parameters(**resources)
        except (NameError, TypeError, ValueError) as error:
            raise CompactHydraException(
                f"hydra.launcher: submitit refuses it ({' '.join(str(error).split())})"
            ) from None
        sent = executor.map_array(_Task(), jobs)
        if self.cluster == "slurm":
            sweeps.SENT.add(place(jobs[0].composed())[0])
        terminal.tell(
            f"{len(jobs)} jobs sent to {self.cluster}: {', '.join(job.job_id for job in sent)}"
        )
        results: dict[int, JobReturn] = {}
        while len(results) < len(jobs):
            for i, handle in enumerate(sent):
                if i not in results and handle.done():
                    results[i] = self._ended(jobs[i], handle, tell)
            time.sleep(1 if self.cluster == "local" else 10)
        return [results[i] for i in range(len(jobs))]

    def _ended(self, job: Job, handle: Any, tell: Callable[..., JobReturn]) -> JobReturn:
        try:
            return tell(job, handle.results()[0])  # of the first task, which writes the record
        except Exception as error:  # submitit has several for a job that left no result
            said = str(error).strip() or type(error).__name__
            if found := re.search(r"CompactHydraException: (.*)", said):  # see _Task
                return tell(job, (False, found[1]))
            job_and_state = f"job {handle.job_id}, {handle.state}: {said.splitlines()[0]}"
            why = f"its process ended without a result ({job_and_state})"
            return tell(job, None, why)


class _Task:
    """What submitit calls in every task of a job."""

    def __call__(self, job: Job) -> tuple[bool, str]:
        ok, why = job()
        if not ok and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
            raise CompactHydraException(
                why
            )  # the exit code makes srun end the other tasks, which would wait
        return ok, why

    def checkpoint(self, job: Job) -> Any:
        """Part of submitit's interface: what runs after this job was preempted, or its time was
        over."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job.to_go_on())


def _tasks(jobs: list[Job]) -> dict[str, int]:
    """What submitit asks of Slurm for the devices of the cells, which must be the same for all."""
    asked = set()
    for job in jobs:
        trainer = job.composed().trainer
        devices = trainer.get("devices", 1)
        if isinstance(devices, bool) or not isinstance(devices, int):
            raise CompactHydraException(
                f"trainer.devices={devices}: Slurm must be told a number, as trainer.devices=4"
            )
        gpus = 0 if trainer.get("accelerator") == "cpu" else devices
        asked.add((trainer.get("num_nodes", 1), devices, gpus))
    if len(asked) > 1:
        raise CompactHydraException(
            "the cells of one sweep need the same devices on Slurm: make a sweep for each number"
        )
    ((nodes, devices, gpus),) = asked
    return {"nodes": nodes, "tasks_per_node": devices, "gpus_per_node": gpus}


def _run(job: Job) -> tuple[bool, str]:
    return job()


class RayLauncher(CellLauncher):
    """Cells as tasks of a Ray cluster: one that is there (`address`), else one on this machine for
    this sweep."""

    def __init__(
        self, address: str | None, cpus_per_cell: float, gpus_per_cell: float, num_cpus: int | None
    ) -> None:
        """num_cpus: cores that a cluster on this machine may use; all of them where it is None."""
        self.address, self.cpus, self.gpus, self.num_cpus = (
            address,
            cpus_per_cell,
            gpus_per_cell,
            num_cpus,
        )
        self.cells_end_with_sweep = address is None

    def check(self) -> None:
        """See CellLauncher."""
        _need("ray", "ray", "ray")
        if self.num_cpus is not None:
            _whole("num_cpus", self.num_cpus)
        for field, value in {"cpus_per_cell": self.cpus, "gpus_per_cell": self.gpus}.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise CompactHydraException(
                    f"hydra.launcher.{field}={value}: must be a number, at least 0"
                )
        if self.address is None and self.cpus > (there := self.num_cpus or os.cpu_count() or 1):
            raise CompactHydraException(
                f"hydra.launcher.cpus_per_cell={self.cpus}: must be at most {there}, the cores"
            )

    def run_all(self, jobs: list[Job], tell: Callable[..., JobReturn]) -> list[JobReturn]:
        """See CellLauncher."""
        import ray

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
            run = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_calls=1, max_retries=0)(
                _run
            )
            waiting = {run.remote(job): job for job in jobs}
            results: dict[int, JobReturn] = {}
            while waiting:
                (ended, *_), _rest = ray.wait(list(waiting), num_returns=1)
                job = waiting.pop(ended)
                try:
                    results[job.number] = tell(job, ray.get(ended))
                except ray.exceptions.RayError as error:
                    why = f"its process was killed ({type(error).__name__})"
                    results[job.number] = tell(job, None, why)
            return [results[job.number] for job in jobs]
        finally:
            ray.shutdown()


def _need(module: str, package: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise CompactHydraException(
            f"this launcher needs the package {package}: pip install --constraint constraints.txt "
            f"'.[{extra}]'"
        )
