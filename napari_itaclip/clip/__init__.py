"""The network: checkpoints, text and vision towers (torch + open_clip)."""
