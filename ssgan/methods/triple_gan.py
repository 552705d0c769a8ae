"""Triple-GAN: classifier and generator both make pairs of image and label; a discriminator tells them from real ones.

Paper: Li, Xu, Zhu, Zhang: Triple Generative Adversarial Nets (NIPS 2017), arXiv:1703.02291, eq. 3 to 5 and algorithm 1; weights
from the authors' code for MNIST.

Objective, with pair logit s(x, y), sp = softplus, C_k the classifier's probabilities, H their entropy:
    D:  min  E_real sp(-s(x, y)) + 1/2 E_z sp(s(G(z, y), y)) + 1/2 E_u sum_k C_k(x) sp(s(x, k))
    G:  min  1/2 E_z sp(-s(G(z, y), y))
    C:  min  CE(x_l, y_l) + entropy * E_u H + balance * Bal + adversarial/2 * E_u sum_k C_k(x) sp(-s(x, k))
             + generated * CE(C(G(z, y)), y)
    Bal = -1/K sum_k log E_u C_k(x). "Real" pairs are true labels and, for the most part, the classifier's pseudo-labels of
    other unlabeled images: without them D memorizes the few labels. C is trained alone for `pretrain_steps`.

Deviations:
    1. s(x, y) is one of K outputs of a classifier network; the authors feed y into every layer.
    2. The label enters the generator beside z only, not in every layer.
    3. The expectation over the classifier's classes is exact (`integrate` in the code; its default takes the likeliest one).
    4. The networks of `net.family`; with `mlp` it is not comparable with the paper's rows, whose classifier is convolutional.
    5. The labeled pairs have a weight, `labeled_pair_share`, instead of a count per batch.
    6. No L2 term on the last layer; schedules are in steps.
    7. The classifier is trained alone first at any number of labels; the authors' with 100 or fewer. It keeps its rate and
       beta1 then; theirs takes those of the other players, with which this one, without batch norm, failed (docs/results/log).

Expected error on MNIST (paper, convolutional classifier): 20 labels 4.81 +- 4.95 %, 50: 1.56 +- 0.72, 100: 0.91 +- 0.58, 200:
0.67 +- 0.16.
Cost: about 2.5 times feature matching with the same networks.
"""

from __future__ import annotations

from ssgan.players.three import ThreePlayerConfig, ThreePlayerMethod


class Config(ThreePlayerConfig):
    pass


class Method(ThreePlayerMethod):
    pass
