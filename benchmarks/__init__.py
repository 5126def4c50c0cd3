"""How fast and how small the engine is, judged against the textbook version; not installed."""
