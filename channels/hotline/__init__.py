"""The telephone hotline: spoken answers, call dialogue, speech engines, and the ways a call reaches us."""
