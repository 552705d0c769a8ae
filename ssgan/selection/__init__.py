"""Which images next: what a team labels this week, and whether choosing them was worth it. Numpy and pyarrow, no torch.

    shares.py     how a budget is divided: uncertain, unknown class?, control
    scoring.py    from the outputs of the model to a score
    pool.py       the unlabeled pool in one stream; only what may be chosen stays in memory
    diversity.py  far from all that is labeled or chosen, no near-duplicates, no class beyond its share
    choose.py     all of the above: the picks, in the order of the queue
    clusters.py   without a model: clusters of feature vectors, and what is typical of each
    cold.py       the picks without a model, and without a split
    files.py      queue.csv, label_studio.json and .xml, selection.json
    label_studio.py  tasks with predictions, and the labeling interface
    verdict.py    when the labels are back: were the picks worth more than the random ones?
    noise.py      confident learning: which labels look wrong
    audit.py      out-of-sample probabilities for it, and the suspects
    sheet.py      suspects.csv and suspects.html

Letters: N images of a block, M candidates, L labeled, K classes, F features, B bytes of one image.
"""
