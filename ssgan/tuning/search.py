"""The search: trials of Ray Tune, each the very run that the train stage would make of the same parameters.

A trial trains in one process, without Ray Train inside (decision 0008), and keeps checkpoints and results in ``storage.url``
under the run's own key. So a search that was killed goes on where it was, a trial that is finished is never run again, and
after ``ssgan tune apply`` the train stage finds the run of the best trial finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssgan.cluster.connection import connected
from ssgan.cluster.jobs import TUNE
from ssgan.cluster.versions import require_nodes
from ssgan.config import Config
from ssgan.data.files import SplitFiles, data_version
from ssgan.errors import ConfigError, TrainingError
from ssgan.runs.identity import run_of
from ssgan.runs.publish import locate_splits
from ssgan.storage import absolute
from ssgan.storage.lease import guarded, held
from ssgan.storage.store import open_store
from ssgan.training.context import Run
from ssgan.tuning import space
from ssgan.tuning.on_ray import capacity, nodes, run_trials
from ssgan.tuning.schedulers import scheduler
from ssgan.tuning.trial_log import TrialLog, finished
from ssgan.tuning.trials import Trial, best
from ssgan.wording import counted


@dataclass(frozen=True)
class SearchSpec:
    """A search and the data that it is about."""

    config: Config  # as every trial has it, but for the searched keys
    files: SplitFiles
    data: str  # version of the data
    val_images: int

    def run_of(self, point: space.Point) -> Run:
        """The run of a point: the very one that the stage ``train`` would make of these parameters."""
        return run_of(space.at(self.config, point), self.files, self.data)

    @property
    def name(self) -> str:
        """Key of the search in storage: the same as long as its trials can be compared.

        Neither the number of trials nor the way of proposing is part of it, nor what the searched keys are in params.yaml.
        """
        tune = self.config.tune
        what = {
            "identity": self._example().identity,
            "space": {key: draw.model_dump() for key, draw in tune.space.items()},
            "scheduler": [tune.scheduler, space.grace_steps(self.config)],
        }
        return "tune-" + hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]

    def as_run(self) -> Run:
        """The search as what a job carries out: under its own name, and with what all of its trials agree in."""
        return Run(self.name, self._example().identity, self.config, self.files)

    def _example(self) -> Run:
        return self.run_of(space.example(self.config.tune.space))


def prepare(config: Config, splits: Path) -> SearchSpec:
    """Check everything that can be checked before there is a trial. Raises ConfigError."""
    space.validate(config)
    if config.train.device == "cuda" and config.tune.gpus_per_trial == 0:
        raise ConfigError("`tune.gpus_per_trial` is 0, but train.device is 'cuda'; raise it, or set train.device to cpu")
    files = locate_splits(config, splits)
    images = files.num_rows("val")
    if not images:
        raise ConfigError("val has no images, so no trial has a score; raise split.val_fraction and run `dvc repro split`")
    one_process = config.model_copy(update={"train": config.train.model_copy(update={"num_workers": 1, "min_workers": None})})
    return SearchSpec(one_process, files, data_version(files), images)


def trials_of(spec: SearchSpec, splits: Path, say: Callable[[str], None]) -> list[Trial]:
    """All trials of a search: run here, or on the cluster of ``cluster.address`` if there is one."""
    if not spec.config.cluster.address:
        return search(spec, say)
    from ssgan.runs import submit

    config = spec.config
    log = TrialLog(open_store(config.storage.url), spec.name)
    if log.closed(config.tune.trials) is None:
        submit.submit_and_wait(spec.as_run(), splits, say, TUNE)
    trials = log.read()
    require_whole(log, trials, spec)
    return trials


def require_whole(log: TrialLog, trials: list[Trial], spec: SearchSpec) -> None:
    """A clean exit proves nothing: raises TrainingError unless all trials have ended and the model of the best is whole."""
    wanted, checkpoint = spec.config.tune.trials, spec.config.evaluate.checkpoint
    ended = {trial.run for trial in trials if trial.state != "running"}
    missing = set(log.closed(wanted) or [spec.name]) - ended
    first = best(trials, checkpoint)
    if first and finished(log.store, first) != first:
        missing.add(first.run)
    if missing:
        raise TrainingError(
            f"the search ended without an error, but {', '.join(sorted(missing))} is not complete in "
            f"{spec.config.storage.url}; nothing is trusted before it is: run `ssgan tune` again to resume"
        )


def search(spec: SearchSpec, say: Callable[[str], None]) -> list[Trial]:
    """Run the trials that are missing. Returns all of them, also those of earlier attempts.

    Raises:
        TrainingError: no trial fits the machines; or all of them failed. HeldError: another process runs this search.
    """
    url = spec.config.storage.url
    with held(url, spec.name) as guard:
        return _search(spec, TrialLog(guarded(open_store(url), guard), spec.name), say)


def _search(spec: SearchSpec, log: TrialLog, say: Callable[[str], None]) -> list[Trial]:
    config = spec.config
    known = log.read()
    ended = [trial for trial in known if trial.state != "running"]
    say(
        f"search {spec.name}: {len(ended)} of {counted(config.tune.trials, 'trial is', 'trials are')} done, "
        f"{len(known) - len(ended)} interrupted"
    )
    if len(ended) < max(config.tune.trials, len(known)):
        say(_plan(config))
        with connected() as ray:
            require_nodes(ray)
            errors = _run(ray, spec, log, ended, say)
        if errors:
            raise TrainingError(
                f"{counted(len(errors), 'trial')} lost the process more than {config.train.max_failures} times "
                "(train.max_failures), "
                f"the first one: {str(errors[0]).strip().splitlines()[-1]}; run `ssgan tune` again to resume them"
            )
    trials = log.read()
    if all(trial.state == "failed" for trial in trials):
        raise TrainingError(f"no trial of {len(trials)} succeeded, the first one: {trials[0].reason}; correct tune.space")
    if len(trials) < config.tune.trials:
        say(f"tune.space has no more points than these {len(trials)}")
    log.close(config.tune.trials, trials)
    return trials


def _plan(config: Config) -> str:
    tune, grace, longest = config.tune, space.grace_steps(config), space.longest(config)
    if space.fitted_at_once(config):
        return "ranked by validation error; every trial is fitted at once"
    judged = f"ranked by validation error of the {config.evaluate.checkpoint} averaged weights"
    if tune.scheduler == "none":
        return f"{judged}; every trial runs to its end"
    comparable = space.first_comparable_step(config)
    early = f" (WARNING: the whole method is active only from step {comparable:,} on)" if grace < comparable else ""
    never = " (no trial has more, so none will be stopped)" if grace >= longest else ""
    return f"{judged}; scheduler {tune.scheduler} stops no trial before step {grace:,} of {longest:,}{early}{never}"


def _run(ray: Any, spec: SearchSpec, log: TrialLog, ended: Sequence[Trial], say: Callable[[str], None]) -> list[BaseException]:
    from ssgan.tuning.progress import SearchProgress
    from ssgan.tuning.proposals import Proposals
    from ssgan.tuning.trial_process import TrialTask, trial_of

    tune, every = spec.config.tune, nodes(ray)
    gpus = _gpus(spec.config, every)
    fit = capacity(every, tune.cpus_per_trial, gpus, min(tune.trials, tune.max_concurrent or tune.trials))
    say(fit.text)
    progress = SearchProgress(spec.config, say)
    proposals = Proposals(spec.config, log, lambda point: spec.run_of(point).id, progress.ended)
    storage = absolute(spec.config.storage.url)
    task = TrialTask(spec.config, spec.files, spec.data, storage, tune.cpus_per_trial, gpus > 0)
    return run_trials(
        trial_of(task),
        {},
        {"cpu": tune.cpus_per_trial, "gpu": gpus},
        samples=proposals.left,
        at_once=fit.at_once,
        search=proposals,
        scheduler=scheduler(spec.config, ended),
        callbacks=[progress],
        max_failures=spec.config.train.max_failures,
    )


def _gpus(config: Config, every: Sequence[dict[str, float]]) -> float:
    """GPUs of a trial. With train.device auto one each where there is any."""
    if config.tune.gpus_per_trial is not None:
        return config.tune.gpus_per_trial
    if config.train.device == "auto":
        return float(any(node.get("GPU", 0) >= 1 for node in every))
    return float(config.train.device == "cuda")
