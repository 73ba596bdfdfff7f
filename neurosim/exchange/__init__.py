"""Networks in the formats of others. Importing this loads nothing else."""
