"""Small things that several parts of the dock are made of."""
