"""The shipped bilingual base: corpus, vocabulary, distillation, measuring, export."""
