"""Compiled kernels, the only compiled code of the project. Importing this loads nothing else."""
