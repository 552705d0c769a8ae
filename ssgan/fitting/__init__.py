"""Classifiers of feature vectors that are fitted at once, by scikit-learn: what people would use for a trained head.

    linear.py         logistic regression; its strength chosen on folds of the labels: the probe
    self_training.py  rounds of pseudo-labels in given class shares
    shares.py         shares of the classes among unlabeled images, estimated
    spreading.py      labels spread over a nearest-neighbor graph, then a linear classifier of what came out
    mixture.py        Gaussians with one covariance, by EM
    choice.py         the one of several that is best on folds of the labels

Letters: L labeled, U unlabeled, N any images, P numbers of a feature vector, K classes. All results are ``Linear``.
"""
