"""What bad GAN adds to feature matching."""

from __future__ import annotations

from pathlib import Path

import torch

from ssgan.core.losses import low_density, pull_away
from tests.support.methods import batch, build
from tests.support.ranks import run_ranks


def test_with_all_weights_zero_it_is_feature_matching() -> None:
    zero = {f"{name}_weight": 0.0 for name in ("entropy", "pull_away", "variational", "low_density")}
    ours, plain = build("bad_gan", **zero), build("feature_matching")
    plain.nets.load_state_dict(ours.nets.state_dict())
    b = batch()
    for mine, theirs in zip(ours.phases(), plain.phases(), strict=True):
        torch.manual_seed(3)
        a = mine.loss(b)["total"]
        torch.manual_seed(3)
        assert torch.equal(a, theirs.loss(b)["total"])


def test_every_term_enters_with_its_weight_from_its_step_on() -> None:
    method = build("bad_gan", variational_weight=0.01, low_density_weight=2.0, pull_away_weight=0.5, density_start=6)
    method.init(batch())
    early = method.phases()[1].loss(batch(step=5))
    assert "low_density" not in early
    late = method.phases()[1].loss(batch(step=6))
    expected = late["matching"] + 0.5 * late["pull_away"] + 2.0 * late["low_density"] + 0.01 * late["variational"]
    torch.testing.assert_close(late["total"], expected)
    assert method.phases()[1].trains == ("generator", "encoder")


def terms_on_rank(folder: str) -> list[float]:
    """The two terms that look at pairs of images, on this rank's half of a fixed batch."""
    from ssgan.core.distributed import rank, world_size

    g = torch.Generator().manual_seed(0)
    whole = [torch.rand(8, 5, generator=g) for _ in range(3)]
    n = 8 // world_size()
    fake, real, others = (x[rank() * n : (rank() + 1) * n] for x in whole)
    from ssgan.core.distributed import batch_mean

    value = low_density(fake, real, others, 0.25)
    return [pull_away(fake).item(), batch_mean(value.view(1)).item()]


def test_pairs_of_images_on_two_ranks_are_those_of_one(tmp_path: Path) -> None:
    one = terms_on_rank("")
    for found in run_ranks(terms_on_rank, 2, tmp_path, ""):
        torch.testing.assert_close(torch.tensor(found), torch.tensor(one))
