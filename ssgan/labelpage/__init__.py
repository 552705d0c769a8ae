"""The page of ``ssgan label``: a queue of images, one at a time, on this machine only.

images.py    the queue, and the bytes of its images: originals, or what ingest stored and why
browser.py   which files a browser shows, and PNG of the others
journal.py   what was done, safe on disk before the page hears of it
session.py   where in the queue somebody is: label, skip, undo
server.py    HTTP: who may ask, and what is answered
page.html, page.css, page.js, page.svg
"""
