"""Labels come in: from what labeling tools write to votes in the ledger, with a person asked where it is not clear.

raw_label.py      one label as a file gives it, whatever the format; options.py: what a person may say about a file
formats.py        detects the format of a file; csv_table.py, json_rows.py, folders.py, label_studio.py, coco.py and
                  cvat.py read one each; not_read.py says what any other file is
project_index.py  what is looked up in the project: ingested images, classes, the present test set
matching.py       which image a label is for, for all formats; addresses.py: paths and URLs in one notation
votes.py          raw labels resolved to votes: which image, who, when
review.py         what an import would do, before it does it; spelling.py: which class may be meant; hints.py: what to do
importing.py      an import from beginning to end; import_report.py describes it to people and to scripts
queue.py          what a person has to decide, as a CSV file that is imported like any other
changes.py        undo, rename, merge and blame
ledger_status.py  counts of the whole ledger
"""
