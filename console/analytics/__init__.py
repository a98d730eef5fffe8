"""Analytics: how the assistant is doing, over time, with filters and export."""
