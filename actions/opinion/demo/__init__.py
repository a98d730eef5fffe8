"""Posts of the demo city, all written by us."""
