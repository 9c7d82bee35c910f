"""Entry point of the controller: `python -m metallb_controller` or `metallb-controller`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the controller with the arguments of the command line."""
    from metallb_controller.app.run import run_controller
    from metallb_controller.app.settings import read_settings

    sys.exit(run_controller(read_settings(sys.argv[1:])))


if __name__ == "__main__":
    main()
