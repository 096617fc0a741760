"""The conformance suite, collected by `pytest --backend=NAME` and `pytest --pyargs xentcheck.suite --backend=NAME`."""
