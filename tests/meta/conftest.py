"""This folder's modules are imported by name, as the worker does that loads a file named in a subject's spec."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
