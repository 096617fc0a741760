"""The audit of a tolerance: what a test that compares with rtol and atol cannot see."""
