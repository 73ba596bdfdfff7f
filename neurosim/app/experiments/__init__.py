"""Experiments that span chip, learning and float reference. Importing this loads nothing else."""
