"""Language understanding: utterances per intent, suggestions from real traffic, models and their jobs."""
