"""The linter of other people's tests: comparisons that cannot fail."""
