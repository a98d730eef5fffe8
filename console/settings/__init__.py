"""What staff change while the city is being served."""
