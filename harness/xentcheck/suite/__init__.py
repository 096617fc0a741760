"""The conformance suite. `pytest --backend=NAME` collects it from anywhere, as does `pytest --pyargs xentcheck.suite`."""
