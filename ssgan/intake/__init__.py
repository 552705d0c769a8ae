"""Labels come in: from what labeling tools write to votes in the ledger, with a person asked where it is not clear.

said.py       one label as a file gives it, whatever the format
formats.py    which format a file has; csv_table.py, folders.py, label_studio.py, coco.py read one each
known.py      what the project knows: ingested images, classes, the present test set
votes.py      labels as votes: which image, who, when
review.py     what an import would do, before it does it
importing.py  an import from beginning to end; words.py says it to people and to scripts
queue.py      what a person has to decide, as a CSV file that comes back by the same way
changes.py    undo, rename, merge and blame; overview.py is the ledger in numbers
"""
