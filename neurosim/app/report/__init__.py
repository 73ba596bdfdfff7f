"""A run as one page: what there is to tell, how it is drawn, how it is set. Importing this loads nothing."""
