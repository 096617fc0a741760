"""The harness on trial: every fault of the registry must be seen, and nobody honest accused.

`trial` lets clauses look at one function, `conventional` does what the tests of public kernels do, `run` deals all of
it out to processes, `text` and `command` show it.
"""
