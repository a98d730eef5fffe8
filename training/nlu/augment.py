from __future__ import annotations
class Augmenter:
    def __init__(self, *a): pass
    def extra(self, examples): return []
