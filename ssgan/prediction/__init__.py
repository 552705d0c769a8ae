"""A finished classifier over many images.

classify.py   a request -> a table or a folder of answers
inputs.py     what can be classified: files of a source, or rows of a pool
score.py      a batch of images -> answers
folder.py     parts on disk: resumable, every input exactly once
on_ray.py     parts as tasks of a Ray cluster
by_id.py      ingested images: from their stored features where the model learned on such, else from their pixels
sets.py       the val and test sets -> an evaluation
nearest.py    what a generator of feature vectors makes, shown by images
"""
