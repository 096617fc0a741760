"""Worker processes: subjects run there and nowhere else."""

from xentcheck.workers.in_process import InProcessPool
from xentcheck.workers.pool import Opened, WorkerPool
from xentcheck.workers.process import Limits

__all__ = ["InProcessPool", "Limits", "Opened", "WorkerPool"]
