"""Entry point of the benchmarks: `python -m metallb_lab.bench`."""

import sys

from metallb_lab.bench import main

if __name__ == "__main__":
    sys.exit(main())
