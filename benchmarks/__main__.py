"""All benchmarks in one call: ``python -m benchmarks``. Medians of several runs, beside the aim where there is one."""

from __future__ import annotations

import subprocess
import sys

PARTS = (
    *("benchmarks.stack", "benchmarks.judge", "benchmarks.generator", "benchmarks.latency"),
    *("benchmarks.recovery_drill", "benchmarks.recovery"),
)


def main() -> int:
    """Run each part in a process of its own, so that none measures another's memory."""
    codes = []
    for part in PARTS:
        print(f"== {part}", flush=True)
        codes.append(subprocess.run([sys.executable, "-m", part], check=False).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
