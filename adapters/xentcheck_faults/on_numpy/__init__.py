"""NumPy functions with one mistake each, in families of one kind of mistake, made from one honest kernel.

Subject names are `numpy:xentcheck_faults.on_numpy.options:Mean.over_all_rows`.
"""
