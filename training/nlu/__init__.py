"""Fine-tuning, calibrating, exporting and measuring the joint intent and entity model."""
