"""Fits replies to what a platform can show: length, choices, citations, pictures, Markdown dialect."""
