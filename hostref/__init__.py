"""The float judge: the same network in PyTorch. Importing this loads nothing else."""
