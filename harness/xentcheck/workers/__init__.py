"""Worker processes: subjects run there and nowhere else."""

from xentcheck.workers.pool import Opened, WorkerPool
from xentcheck.workers.process import Limits

__all__ = ["Limits", "Opened", "WorkerPool"]
