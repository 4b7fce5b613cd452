"""What all commands that a person types have in common."""

import argparse
import os
import sys
from pathlib import Path
from typing import TextIO

from workflow_scripts.runtime.printable import visible


def documented_parser(command: str, text: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m workflow_scripts.<command>`, whose help is the module's own text, in its own lines."""
    return argparse.ArgumentParser(
        prog=f"python -m workflow_scripts.{command}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def study_parser(command: str, text: str | None) -> argparse.ArgumentParser:
    """The parser of a command on a study: its `file`, and `set`, the settings that are changed."""
    parser = documented_parser(command, text)
    parser.add_argument("file", type=Path, metavar="FILE", help="a study, config/NAME.yaml")
    add_set(parser)
    return parser


def add_set(parser: argparse.ArgumentParser) -> None:
    """Let a command take changed settings."""
    parser.add_argument("--set", metavar="'KEY=VALUE ...'", help="settings changed, as for make run SET=")


def stop_writing() -> None:
    """Let the rest of the output go nowhere, because whoever reads it (`head`) has seen enough and left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_lines(*lines: object, file: TextIO | None = None) -> None:
    """Print lines, to the standard output unless `file` is given, with everything visible that files put into them."""
    stream = file or sys.stdout
    code = stream.encoding or "utf-8"
    for line in lines:
        print(visible(str(line)).encode(code, "backslashreplace").decode(code), file=stream, flush=True)


def print_error(error: object) -> None:
    """Print an error's lines to the standard error."""
    print_lines(*str(error).split("\n"), file=sys.stderr)
