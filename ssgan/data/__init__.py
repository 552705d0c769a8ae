"""From raw images to four Parquet sets and to batches. Preparation (everything but ``loaders``) never imports torch."""
