"""The page of ``ssgan label``: a queue of images, one at a time, on this machine only.

images.py    the queue, and the bytes of its images: originals, or else what ingest stored and the reason
browser.py   which files a browser shows, and PNG of the others
journal.py   the actions of a session, on disk before the page gets its reply
sheets.py    what is shown at once: a sheet of one cluster, or a single image
session.py   the place in the queue: label, skip, undo
server.py    HTTP: who may send requests, and the replies
page.html, page.css, page.js, sheet.js, page.svg
"""
