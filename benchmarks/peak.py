"""The most memory that a command holds: python -m benchmarks.peak predict MODEL RASTER --out MAP prints it last, in MiB.

The process imports what the command imports and nothing else, so that no peer's library counts. Not `ru_maxrss`, which begins with
what the parent held (Linux).
"""

import sys
from pathlib import Path

from geopointseg.cli import main

__all__ = ["MIB", "peak_memory"]

MIB = 2**20


def peak_memory() -> float:
    """The most memory that this process has held, in MiB."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


if __name__ == "__main__":
    if failed := main(sys.argv[1:]):
        raise SystemExit(failed)
    print(peak_memory())
