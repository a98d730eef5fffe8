"""Curating the articles that citizens are answered from."""
