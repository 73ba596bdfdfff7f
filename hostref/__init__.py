"""The float readout_errors: the same network in PyTorch. Importing this loads nothing else."""
