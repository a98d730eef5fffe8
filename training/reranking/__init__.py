"""Fine-tuning the bilingual base as a cross-encoder over a question and an article."""
