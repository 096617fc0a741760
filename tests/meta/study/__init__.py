"""The detection study: which share of faulty batches does a rule see once it accuses no honest one?"""
