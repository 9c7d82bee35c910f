"""Entry point of the controller: `python -m metallb_controller` or `metallb-controller`.

With `migrate` as the first argument it is the command that plans a move, else the controller.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the controller, or a command, with the arguments of the command line."""
    if sys.argv[1:2] == ["migrate"]:
        from metallb_controller.app.migration import read_migration_settings, run_migration

        sys.exit(run_migration(read_migration_settings(sys.argv[2:])))
    from metallb_controller.app.run import run_controller
    from metallb_controller.app.settings import read_settings

    sys.exit(run_controller(read_settings(sys.argv[1:])))


if __name__ == "__main__":
    main()
