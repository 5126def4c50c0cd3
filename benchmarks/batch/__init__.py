"""How a batch compares with the bare engine, and how its memory grows."""
