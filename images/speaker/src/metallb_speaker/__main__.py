"""Entry point of the speaker: `metallb-speaker` (both processes), or one of them by name.

metallb-speaker [options]           the supervisor, which starts the other two
metallb-speaker reflex [options]    sockets and timers
metallb-speaker policy [options]    Kubernetes
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run what the command line asks for."""
    arguments = sys.argv[1:]
    part = arguments[0] if arguments and arguments[0] in ("reflex", "policy") else None
    if part is None:
        from metallb_speaker.settings import read_settings
        from metallb_speaker.supervisor import run_supervisor

        settings = read_settings(arguments)
        sys.exit(run_supervisor(arguments, settings.log_level))
    from metallb_speaker.settings import read_settings

    settings = read_settings(arguments[1:])
    if part == "reflex":
        from metallb_speaker.reflex.process import run_reflex

        sys.exit(run_reflex(settings))
    from metallb_speaker.policy.process import run_policy

    sys.exit(run_policy(settings))


if __name__ == "__main__":
    main()
