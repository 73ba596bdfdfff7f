"""Chip beside float reference: what spans all three packages. Importing this loads nothing else."""
