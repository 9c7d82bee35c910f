"""``python -m metallb_lab.images build [NAME...] | module [VERSION] | path NAME | list``."""

from __future__ import annotations

import argparse
import re
import sys

from metallb_lab.images import NAMES, ImageError, build, bundle, find


def main(argv: list[str] | None = None) -> int:
    """Run one command; gives the exit code."""
    parser = argparse.ArgumentParser(prog="metallb_lab.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build").add_argument("names", nargs="*", metavar="NAME")
    module = commands.add_parser("module")
    module.add_argument("version", nargs="?", default=bundle.NO_VERSION, type=a_version)
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
    elif options.command == "module":
        bundle.make_module(options.version, say=say)
    else:
        build(options.names or NAMES, say)


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, flush=True)


def a_version(text: str) -> str:
    """Read the version of a release: `v1.2.3`."""
    if not re.fullmatch(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no version like v1.2.3")
    return text


def state_of(name: str) -> str:
    """Tell where an image is, or that it is not built."""
    try:
        return str(find(name).rootfs)
    except ImageError:
        return "not built"


if __name__ == "__main__":
    sys.exit(main())
