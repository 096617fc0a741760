"""Softmax cross-entropies with one mistake each, and the honest ones they are made from.

They are ordinary subjects: the harness reaches them by name, in a worker, as it does a user's own function.
`faults.toml` has a line for each, with the known bugs that it re-creates.
"""
