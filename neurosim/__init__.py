"""A Loihi-like chip in integer arithmetic, and the events it is given. Importing this loads nothing else."""
