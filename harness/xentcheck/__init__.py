"""xentcheck: conformance and differential tests for softmax cross-entropy."""
