"""Features of a backbone, one vector per image and view, made once from the original files.

files.py      the Parquet shards, beside those of the images: reading, and what is there already
views.py      a plain view and randomly augmented ones, as functions of the image's id
extract.py    the stage: images that this backbone has never seen -> shards
known.py      what an earlier run of the stage has left
progress.py   its line on the terminal
ranking.py    which backbone suits these images
space.py      raw features -> what classifiers learn on: standardized, principal components, equal length
"""
