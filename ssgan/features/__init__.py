"""Features of a backbone, one vector per image and view, made once from the original files.

files.py      the Parquet shards, beside those of the images: reading, and what is there already
views.py      a plain view and randomly augmented ones, as functions of the image's id
extract.py    the stage: images that this backbone has never seen -> shards
known.py      what an earlier run of the stage has left
parts.py      shards that are being made
originals.py  which files have to be read
compute.py    from files to features: what a worker does, and the workers of this machine
remote.py     the same as a task of a Ray cluster
on_ray.py     the workers of a Ray cluster
progress.py   its line on the terminal
ranking.py    which backbone suits these images
space.py      raw features -> what classifiers learn on: standardized, principal components, equal length

Ids and rows are the same whoever computes them. Features of the same image and backbone differ by rounding, which depends on
the processor and on the images that share a forward pass: by compute.TOLERANCE at most.
"""
