"""The commands of `xentcheck`, one module each."""
