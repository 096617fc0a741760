"""A package that ships a subject of xentcheck (see docs/extending.md)."""
