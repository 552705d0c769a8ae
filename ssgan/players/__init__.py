"""What methods of one cast share: a classifier (``one``), a generator (``two``), a discriminator of pairs (``three``)."""
