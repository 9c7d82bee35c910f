"""`metallb-lab`: the demo, the benchmarks, churn, and the end of labs that were kept.

metallb-lab demo [--control-plane real | --module] [--nodes N] [--keep] [--json FILE]
metallb-lab bench [--only F7,F8] [--json FILE]
metallb-lab churn [--services N] [--seconds S] [--seed X]
metallb-lab down [NAME…]
metallb-lab tools build|list|path …
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from metallb_lab import instance

if TYPE_CHECKING:
    from collections.abc import Sequence


def down(names: Sequence[str]) -> int:
    """End labs, all that there are if none is named; gives the exit code."""
    ended = instance.end(names)
    for name in ended:
        print(f"{name}: ended and cleared away")
    unknown = sorted(set(names) - set(ended))
    for name in unknown:
        print(f"{name}: there is no such lab", file=sys.stderr)
    return 1 if unknown else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    command, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    if command == "demo":
        from metallb_lab import demo

        return demo.main(rest)
    if command == "bench":
        from metallb_lab import bench

        return bench.main(rest)
    if command == "churn":
        from metallb_lab import churn

        return churn.main(rest)
    if command == "down":
        return down(rest)
    if command == "tools":
        from metallb_lab import tools

        return tools.main(rest)
    print(__doc__, file=sys.stdout if command in ("-h", "--help") else sys.stderr)
    return 0 if command in ("-h", "--help") else 2


if __name__ == "__main__":
    sys.exit(main())
