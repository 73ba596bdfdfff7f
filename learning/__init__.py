"""What the chip should keep: evolution strategies that see only integers. Importing this loads nothing else."""
