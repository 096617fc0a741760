"""The oracle's certificate: both of its tiers against ball arithmetic (python-flint, the extra `certify`).

`rows` draws the inputs, `arb` evaluates the definition, `conditioning` says what cancels in it, `comparison` states the
promises, `referee` compares, `certificate` keeps the worst, `text` and `command` show it. Python-flint is for
`arb` alone.
"""
