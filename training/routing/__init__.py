"""Fine-tuning the bilingual base on a city's own categories of requests."""
