"""What the chip should keep: evolution in whole numbers. Importing this loads nothing else."""
