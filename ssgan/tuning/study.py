"""Trials as a study of Optuna, which proposes points and computes which keys mattered."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from ssgan.config.tune import Draw, TuneConfig
from ssgan.tuning.space import Space, ends
from ssgan.tuning.trials import Checkpoint, Trial

ENOUGH = 8  # trials with a score, below which importance would be noise

optuna.logging.set_verbosity(optuna.logging.WARNING)


def distribution(draw: Draw) -> BaseDistribution:
    """The same draw as a distribution of Optuna."""
    if draw.choice is not None:
        return CategoricalDistribution(draw.choice)
    low, high = ends(draw)
    if draw.randint is not None:
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=draw.loguniform is not None)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Of every key."""
    return {key: distribution(draw) for key, draw in space.items()}


def study_of(tune: TuneConfig, trials: Iterable[Trial], checkpoint: Checkpoint) -> optuna.Study:
    """A study that knows the trials that have ended.

    The number of them goes into the seed: a search that is started again must not propose its first points once more.
    """
    ended = [trial for trial in trials if trial.state != "running"]
    seed = tune.seed * 100_003 + len(ended)
    sampler: BaseSampler = RandomSampler(seed) if tune.search == "random" else TPESampler(seed=seed)
    study = optuna.create_study(sampler=sampler, direction="minimize")
    for trial in ended:
        study.add_trial(frozen(tune.space, trial, checkpoint))
    return study


def frozen(space: Space, trial: Trial, checkpoint: Checkpoint) -> FrozenTrial:
    """A trial that has ended.

    A failed one, which most likely diverged, is told as pruned before its first validation, which is as bad as can be. TPE
    ignores what is told as FAIL, and so keeps going where trials fail.
    """
    score, failed = trial.score(checkpoint), trial.state == "failed"
    state = TrialState.COMPLETE if trial.state == "finished" and score is not None else TrialState.PRUNED
    return create_trial(
        state=state,
        params=trial.point,
        distributions=distributions(space),
        intermediate_values={} if failed else dict(trial.validations),
        value=None if failed else score,
    )


def importance(space: Space, trials: Iterable[Trial], checkpoint: Checkpoint) -> dict[str, float]:
    """Share of each key in the variance of the score (fANOVA, Hutter et al. 2014), largest first; {} if too few trials.

    Only finished trials count: the score of a stopped one is of an earlier step.
    """
    finished = [trial for trial in trials if trial.state == "finished"]
    if len(finished) < ENOUGH or len({trial.score(checkpoint) for trial in finished}) == 1:
        return {}
    study = optuna.create_study(direction="minimize")
    for trial in finished:
        study.add_trial(frozen(space, trial, checkpoint))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0)))
