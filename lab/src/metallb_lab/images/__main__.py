"""``python -m metallb_lab.images build [NAME...] | path NAME | list``."""

from __future__ import annotations

import argparse
import sys

from metallb_lab.images import NAMES, ImageError, build, find


def main(argv: list[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="metallb_lab.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build").add_argument("names", nargs="*", metavar="NAME")
    commands.add_parser("path").add_argument("name")
    commands.add_parser("list")
    options = parser.parse_args(argv)
    try:
        run(options)
    except ImageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Carry out a command; raises ImageError."""
    if options.command == "path":
        print(find(options.name).rootfs)
    elif options.command == "list":
        for name in NAMES:
            print(f"{name:16} {state_of(name)}")
    else:
        build(options.names or NAMES, lambda text: print(text, flush=True))


def state_of(name: str) -> str:
    """Tell where an image is, or that it is not built."""
    try:
        return str(find(name).rootfs)
    except ImageError:
        return "not built"


if __name__ == "__main__":
    sys.exit(main())
