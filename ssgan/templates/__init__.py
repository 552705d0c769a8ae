"""The files that ``ssgan init`` writes; ``project/`` holds them with ``@@name@@`` where a choice of the user goes."""
