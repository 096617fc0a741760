"""Softmax cross-entropy with its gradient in one call."""
