"""pytest collects this file as the contract: one item per clause, subject, device and dtype."""
