"""The label ledger: every vote that anybody ever gave, and what follows from all of them.

A ledger is a folder of small text files under git. Each file is a *batch* of votes or one *event* (an undo, a new class, a
rename, a merge), named by the hash of its content and never changed. What holds today is a pure function of the set of
files, so the order in which they came, or that one came twice, makes no difference; branches merge without conflict.

    vote.py, event.py    what a line is, and its one canonical text
    store.py             the folder: append, read, what was undone
    taxonomy.py          names of classes over time
    state.py             the label of each image, by a policy over its votes
"""

from ssgan.ledger.state import State
from ssgan.ledger.store import Ledger
from ssgan.ledger.vote import Vote

__all__ = ["Ledger", "State", "Vote"]
