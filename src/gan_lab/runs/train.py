"""One training run, from a checked config to its record."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from gan_lab import build
from gan_lab.config import config_text, plain_config
from gan_lab.files import refuse_links, write_atomically
from gan_lab.interrupts import stopped_by_sigterm
from gan_lab.records import folder, provenance
from gan_lab.runs import outcome, start, summary
from gan_lab.runs.session import Session


@stopped_by_sigterm()
def train(config: DictConfig, run_dir: Path) -> None:
    """Train, or resume, the run that `config` describes in `run_dir`. Its record says how it ended.

    Args:
        config: checked.
        run_dir: the run's directory.

    Raises:
        UserError: before anything is written, where the config cannot run here.
        CompactHydraException: when the run diverges.
        Interrupted: when it was asked to stop.
    """
    # the code that runs, before it can be edited
    provenance.git_state()
    refuse_links(run_dir)
    start.quiet_lightning()

    # where it trains, and whether there is anything left to do
    machine = start.Machine.of(config, run_dir)
    if (ended := start.take_up(config, run_dir)) is not None:
        machine.console.print(f"{ended} before, passed over: {run_dir}")
        return

    # once there is a record, the last thing that is prepared, whatever happens is in it
    with start.only_writer(run_dir, machine), machine.prepared():
        session = _prepared(config, run_dir, machine)
        with outcome.recorded(session):
            session.fit()
            session.export()
            session.score()
        if session.record["status"] == "finished":
            summary.print_end(session)


def _prepared(config: DictConfig, run_dir: Path, machine: start.Machine) -> Session:
    """Everything that training needs, its record begun and its config written. Raises UserError."""
    # what can be refused before data are read: missing weights, another run in the folder, loggers
    # that cannot log here
    plain = plain_config(config) | {"resume": None}
    protocol = build.protocol(config)
    previous = start.previous_run(config, plain, run_dir, machine)
    run_id = previous.record["run_id"] if previous else outcome.new_run_id()
    loggers = build.loggers(config, str(run_dir), run_id) if machine.is_first else []

    # what is trained, and what scores it
    data = build.loaded(config.dataset, config.data_cache)
    if previous is not None:
        previous.check_data(run_dir, data)
    training_view = build.training_data(config, data)
    if previous is not None:
        previous.check_fits(config, training_view.spec)

    gan = build.gan(config, training_view.spec, data, training_view)
    diagnostic = build.diagnostic(config, training_view)
    evaluator = build.evaluator(config, data, machine.device, machine.console, gan, protocol)

    # its record, and last its config, which makes the folder a run: what is killed before can be
    # started again, what is killed after resumed
    record = outcome.open_record(
        plain, run_dir, machine, data, training_view, gan, evaluator, previous, run_id
    )
    with outcome.begun(record, is_new=previous is None):
        if machine.is_first:
            write_atomically(run_dir / folder.CONFIG, config_text(plain))

        session = Session(
            config=config,
            plain=plain,
            run_dir=run_dir,
            machine=machine,
            data=data,
            training_view=training_view,
            gan=gan,
            evaluator=evaluator,
            diagnostic=diagnostic,
            loggers=loggers,
            record=record,
            previous=previous,
        )
        summary.print_start(session)
    return session
