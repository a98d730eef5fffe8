"""The traffic data of the invented demo city, and what generates it."""
