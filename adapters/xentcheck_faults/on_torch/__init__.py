"""PyTorch functions with one mistake each that only automatic differentiation, memory or a mode of the framework shows.

Subject names are `torch:xentcheck_faults.on_torch.memory:logits_shifted_in_place`.
"""
