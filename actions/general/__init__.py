"""Actions that belong to no city module: emergency numbers, language, repetition, a person."""
