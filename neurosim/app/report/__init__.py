"""Report of a run as one HTML page. Importing this loads nothing else."""
