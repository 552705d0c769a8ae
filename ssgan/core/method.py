"""The contract that makes one method one file.

Every semi-supervised GAN of the literature is some networks, pure losses, and an ordered list of phases, each of which
updates one group of parameters. ``training/step.py`` runs the phases of any method and knows none of them.

A file ``ssgan/methods/NAME.py`` holds a docstring (paper, objective in the paper's symbols, numbered deviations, expected
error), a class ``Config(MethodConfig)`` and a class ``Method`` that derives from ``SemiSupervisedMethod``. The file name is
the registry: nothing else names the method.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ssgan.config import MethodConfig, Problem
from ssgan.core.batch import Batch
from ssgan.core.distributed import global_rand
from ssgan.core.recorded import Recordable
from ssgan.core.seeds import fold

Terms = dict[str, Tensor]
"""Named scalars of one phase. ``"total"`` is differentiated; all are logged."""


@dataclass(frozen=True)
class Adam:
    """Settings of Adam (Kingma & Ba 2015). ``lr`` is the peak rate; ``MethodConfig.lr_tail`` lets it fall at the end."""

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Phase:
    """One update of one group of parameters.

    Attributes:
        name: prefix of the logged terms.
        trains: keys of ``Method.nets`` whose parameters this phase updates; everything else is constant in it.
        loss: pure function of the batch. It sees the networks in training mode.
        optimizer: settings of the optimizer that belongs to this phase.
        every: run at steps divisible by this number.
        start: first step at which it runs; methods that train one network alone for a while let the others wait.
        stop: first step at which it runs no more; what it trained is constant from there on. None: to the end.
    """

    name: str
    trains: tuple[str, ...]
    loss: Callable[[Batch], Terms]
    optimizer: Adam
    every: int = 1
    start: int = 0
    stop: int | None = None

    def due(self, step: int) -> bool:
        """Whether it runs at ``step`` (0-based)."""
        return self.start <= step and (self.stop is None or step < self.stop) and step % self.every == 0


class SemiSupervisedMethod(Recordable):
    """Base of every method.

    Class attributes:
        unlabeled_streams: how many independent unlabeled streams a step needs (0, 1 or 2).
        second_view: with one stream: ``x_u2`` holds the images of ``x_u``, augmented anew.
        classifier: key of ``nets`` of the network that ``predict`` uses.
        default_clip: ``gradient_clip`` where the config sets none.
    """

    unlabeled_streams: ClassVar[int] = 1
    second_view: ClassVar[bool] = False
    classifier: ClassVar[str] = "classifier"
    default_clip: float = 0.0

    def __init__(self, config: MethodConfig, problem: Problem) -> None:
        self.config = config
        self.problem = problem
        self.nets = nn.ModuleDict()

    @abstractmethod
    def phases(self) -> Sequence[Phase]:
        """The phases of one step, in order."""

    @abstractmethod
    def predict(self, x: Tensor) -> Tensor:
        """(N, C, S, S) images in [0, 1] -> (N, K) logits of the K real classes, networks in evaluation mode."""

    @property
    def gradient_clip(self) -> float:
        """Largest gradient norm of a phase, relative to its running RMS (decision 0015); 0: not clipped."""
        configured = self.config.gradient_clip
        return self.default_clip if configured is None else configured

    @property
    def averaged(self) -> tuple[str, ...]:
        """Keys of the networks of which an exponential moving average is kept and evaluated."""
        return (self.classifier,)

    def init(self, batch: Batch) -> None:
        """Data-dependent initialization, once before the first step, on the global batch on every rank."""

    def after_step(self, batch: Batch) -> None:
        """Bookkeeping after all phases of a step (never a gradient)."""

    def latent(self, batch: Batch, phase: str, n: int | None = None) -> Tensor:
        """(n, Z) uniform latents in [0, 1) of this rank, fresh for every step and phase; None: one per unlabeled image."""
        n = batch.x_u.shape[0] if n is None else n
        return global_rand(n, self.problem.net.latent_dim, fold(batch.seed, "latent", phase), batch.x_u.device)

    def sample(self, n: int) -> Tensor | None:
        """(n, C, S, S) generated images in [0, 1] for the report, or None where the method has no generator."""
        return None
