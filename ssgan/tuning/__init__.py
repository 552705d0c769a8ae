"""The search for better parameters, without Ray: what can be searched, what came out, and how it is shown and applied.

    space.py        tune.space -> points; checked against the config before anything runs
    trials.py       what is recorded of a trial, and which one is the best
    study.py        trials <-> Optuna: proposals and the importance of keys
    board.py        leaderboard and best.yaml
    figures.py      parallel coordinates and importance
    apply.py        the best point -> params.yaml, comments kept

``ssgan/runtime/tune.py`` runs the trials.
"""
