"""`xentcheck bench`: kernels and frameworks side by side, as multiples of what the memory allows."""
