"""Labels come in: from what labeling tools write to votes in the ledger, with a person asked where it is not clear.

raw_label.py      one label as a file gives it, whatever the format
formats.py        detects the format of a file; csv_table.py, folders.py, label_studio.py and coco.py read one each
project_index.py  what is looked up in the project: ingested images, classes, the present test set
votes.py          raw labels resolved to votes: which image, who, when
review.py         what an import would do, before it does it
importing.py      an import from beginning to end; import_report.py describes it to people and to scripts
queue.py          what a person has to decide, as a CSV file that is imported like any other
changes.py        undo, rename, merge and blame
ledger_status.py  counts of the whole ledger
"""
