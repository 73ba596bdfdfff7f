"""Learning by evolution strategies and local rules, in integers. Importing this loads nothing else."""
