"""Signals in SUMO: read any network, simulate, search by simulation, and prove a plan before recommending it."""
