"""One page that a person who has never heard of GANs can act on, and PNG files for people who do not open HTML.

A pure function of what is on disk: no clock, no network, no test set (``evaluate`` copied the few images that are shown).

    inputs.py     files -> Facts
    story.py      metrics -> plain words: the headline, the verdict, the checks
    figures.py    matplotlib figures, drawn once for the page (SVG that follows light and dark) and once as PNG
    matrix.py     the confusion matrix as a figure
    images.py     arrays -> PNG bytes, data URIs, contact sheets
    page.py       Facts -> report/index.html and report/*.png
    counts.py     the counts of ingest and split in words
    next_steps.py what to do when the page has been read
    runs.py       the page of all runs, and the error over time
    challenger.py the page of a comparison of two models
    card.py       the model card of a registered model
    templates/    the pages and their style
"""

from ssgan.report.inputs import ReportInputs
from ssgan.report.page import render

__all__ = ["ReportInputs", "render"]
