"""Float reference: the same network in PyTorch. Importing this loads nothing else."""
