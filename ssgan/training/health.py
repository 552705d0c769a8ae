"""Warnings in plain words about the two ways in which GANs die quietly.

A method opts in by logging ``real_accuracy`` and ``fake_accuracy`` in one phase (shares of images called right). Diversity
of generated images is measured on samples. A non-finite loss is no warning: it stops the run (``finite.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

D_WINS = 0.995  # accuracy on both real and fake images from which the discriminator has won outright
MIN_CHECKS = 3  # consecutive checks that fail before a warning
COLLAPSE = 0.1  # share of the real images' spread below which generated images count as collapsed


def spread(x: Tensor) -> float:
    """Mean over pixels of the standard deviation over images: (N, C, S, S) -> scalar, in units of the pixel range."""
    return float(x.float().std(0).mean())


@dataclass
class Health:
    """Checks the logged terms at every validation and returns warnings; each is given once per episode."""

    real_spread: float
    _winning: int = 0
    _collapsed: int = 0
    _given: set[str] = field(default_factory=set)

    def check(self, terms: dict[str, float], generated: Tensor | None) -> list[str]:
        """Warnings that are new at this validation. ``generated``: (N, C, S, S) samples or None."""
        warnings = []
        self._winning = self._winning + 1 if self._discriminator_wins(terms) else 0
        if self._once("d_wins", self._winning >= MIN_CHECKS):
            warnings.append(
                "the discriminator tells real from generated images almost perfectly: the generator may no longer learn; "
                "if val error stalls, lower the learning rate or use more latent noise (method.options)"
            )
        if generated is not None:
            self._collapsed = self._collapsed + 1 if spread(generated) < COLLAPSE * self.real_spread else 0
        if self._once("collapse", self._collapsed >= MIN_CHECKS):
            warnings.append(
                "the generator makes nearly the same image every time (mode collapse): it adds little to the labels; "
                "lower the learning rate, or choose another method.name"
            )
        return warnings

    def _discriminator_wins(self, terms: dict[str, float]) -> bool:
        accuracies = [v for k, v in terms.items() if k.endswith(("/real_accuracy", "/fake_accuracy"))]
        return len(accuracies) >= 2 and min(accuracies) >= D_WINS

    def _once(self, name: str, present: bool) -> bool:
        new = present and name not in self._given
        if present:
            self._given.add(name)
        else:
            self._given.discard(name)
        return new
