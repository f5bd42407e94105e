"""Hydra's launchers of a sweep: joblib, submitit and Ray. Every cell is a process of its own, and a lost one is told.

Why not the packages hydra-{joblib,submitit,ray}-launcher: they end a sweep with the first worker that is killed, and the
last cannot be installed beside cloudpickle 3. Hydra accepts launchers only from the namespace `hydra_plugins`, and
imports what it finds there at every start.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.errors import CompactHydraException
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from gan_lab import sweeps
from gan_lab.cells import Job, cell_dir

class CellLauncher(Launcher):
    """What the launchers share: make the jobs, let `run_all` run them, note those whose process was lost."""

    cells_end_with_sweep = True

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Part of Hydra's interface."""
        self.context, self.task, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
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
            )
            for i, overrides in enumerate(job_overrides)
        ]
        self.told = 0

        def tell(job: Job, outcome: tuple[bool, str] | None, lost: str = "") -> JobReturn:
            """outcome: None where the process ended without one; `lost` says what is known."""
            self.told += 1
            if outcome is None:
                sweeps.note_lost(cell_dir(job.composed()), _typed(job), lost)
                outcome = (False, lost)
            ok, why = outcome
            print(f"[{self.told}/{len(jobs)}] {' '.join(_typed(job))}: {'done' if ok else why}", flush=True)
            result = JobReturn(overrides=job.overrides)
            result.status = JobStatus.COMPLETED if ok else JobStatus.FAILED
            result.return_value = None if ok else CompactHydraException(why)
            return result

        return self.run_all(jobs, tell)

    def check(self) -> None:
        """Raises CompactHydraException where a field cannot be used or a package is missing."""

    @abstractmethod
    def run_all(self, jobs: list[Job], tell: Callable[..., JobReturn]) -> list[JobReturn]:
        """Run the jobs, call `tell` for each as it ends, return the results in the order of the jobs."""


def _typed(job: Job) -> list[str]:
    return [override for override in job.overrides if not override.startswith("hydra")]


def _whole(name: str, value: Any, words: str = "at least 1", least: int = 1) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise CompactHydraException(f"hydra.launcher.{name}={value}: must be a whole number, {words}")


class JoblibLauncher(CellLauncher):
    """`n_jobs` cells at a time on this machine, in processes of joblib's loky; threads are divided among them."""

    def __init__(self, n_jobs: int, gpus: list[int] | None) -> None:
        """n_jobs: -1 for one for each core. gpus: numbers of the devices that the cells take turns on."""
        self.n_jobs, self.gpus = n_jobs, gpus

    def check(self) -> None:
        """See CellLauncher."""
        if self.n_jobs != -1:
            _whole("n_jobs", self.n_jobs, "at least 1, or -1 for one job for each core")

    def run_all(self, jobs: list[Job], tell: Callable[..., JobReturn]) -> list[JobReturn]:
        """See CellLauncher."""
        import joblib
        from joblib.externals.loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError

        cores = joblib.cpu_count()
        n_jobs = cores if self.n_jobs == -1 else self.n_jobs
        threads = os.environ.get("OMP_NUM_THREADS", str(max(1, cores // n_jobs)))
        print(f"{len(jobs)} cells, {n_jobs} at a time, {threads} threads each", flush=True)
        environment = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), threads)
        slots = list(range(n_jobs))

        def run(job: Job) -> JobReturn:
            slot = slots.pop()
            device = {"CUDA_VISIBLE_DEVICES": str(self.gpus[slot % len(self.gpus)])} if self.gpus else {}
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
    return str(error).rpartition("exit codes of the workers are")[2].strip(" {}.\n") or "no exit code"
