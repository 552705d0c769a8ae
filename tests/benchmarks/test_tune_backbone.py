"""``benchmarks/tune_backbone.py``: what the backbone learns on, where it begins, and how its errors are compared."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.features_table import train_and_test
from benchmarks.tune_backbone import answers, features, in_space, table, untuned
from ssgan.features.fine_tuning import Settings, Tuned, augmented, tune
from ssgan.fitting.linear import Linear, logistic

SIZE = 32


def images(count: int) -> torch.Tensor:
    """(N, 3, B, B) noise, the second half darker."""
    random = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (count, 3, 37, 37), generator=random, dtype=torch.uint8)
    x[count // 2 :] //= 4
    return x


def test_the_surest_answers_of_every_class_are_learned_and_labels_keep_their_class() -> None:
    model = Linear(np.array([[-1.0, 1.0]]), np.zeros(2))
    pool = torch.tensor([-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0])[:, None]
    rows, given = answers(model, pool, np.array([3, 6]), np.array([1, 1]), 0.5)
    assert rows.tolist() == [0, 1, 3, 6, 7]  # of three answers 0 the surest two, of five 1 those, and both labels
    assert given.tolist() == [0, 0, 1, 1, 1]


def test_an_image_becomes_a_part_of_itself_or_of_its_mirror_image() -> None:
    x = torch.arange(3 * 6 * 6, dtype=torch.uint8).view(1, 3, 6, 6).repeat(20, 1, 1, 1)
    torch.manual_seed(0)
    steps = augmented(x, 4).int().diff(dim=3).flatten().tolist()
    assert set(steps) == {-1, 1}
    assert augmented(x, 4).shape == (20, 3, 4, 4)


def test_tuning_begins_at_the_probe_and_changes_the_backbone_but_not_its_statistics() -> None:
    torch.manual_seed(0)
    x, y = images(24), np.repeat([0, 1], 12)
    network = untuned(SIZE)
    raw = features(network, x)
    space, vectors, _ = in_space(raw, raw)
    probe = logistic(vectors.double().numpy(), y, 2, 1.0)
    model = Tuned(network, space, probe)
    torch.testing.assert_close(model(x), torch.from_numpy(probe.logits(vectors.double().numpy())).float(), rtol=1e-3, atol=1e-3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    tune(model, x, torch.from_numpy(y), Settings(size=SIZE, rate=1e-4, share=1.0), 0)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.endswith("conv_stem.weight") for name in changed)
    assert not any("running" in name for name in changed)


def test_errors_are_compared_in_pairs() -> None:
    common = {"small": 0.3, "answers": 0.3, "auto": 0.2, "wrong answers": 0.1, "tuning s": 60.0, "features s": 30.0}
    lines = table([{**common, "frozen": 0.4, "head": 0.3}, {**common, "frozen": 0.2, "head": 0.1}])
    assert "| head | 20.00 ± 14.14 | +10.00 ± 0.00 |" in lines
    assert "answers wrong: 10.0 %; CPU minutes: 1.0 tuning, 0.5 features" in lines


def test_fewer_images_are_taken_from_both_sides_and_none_changes_sides() -> None:
    index = {"id": [f"{number:08x}" for number in range(40)], "official_split": ["train"] * 30 + ["test"] * 10}
    train, test = train_and_test(index, 12)
    assert (len(set(train.tolist())), len(set(test.tolist()))) == (12, 10)
    assert train.max() < 30 <= test.min()
