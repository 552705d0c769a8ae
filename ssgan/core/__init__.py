"""What a method is written with: tensors in, scalars out.

method.py        the contract that makes one method one file
batch.py         the batch of a step, and the legend of tensor letters
losses.py        pure functions, each with its paper and equation
augment.py       transformations that keep the label
distributed.py   ranks, means over all of them, and random numbers that are functions of the step
"""
