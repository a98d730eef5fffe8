"""Fine-tuning, exporting and measuring the sentiment model: polarity, emotion, "needs action"."""
