"""What all commands that a person types have in common."""

import argparse
import os
import sys


def documented_parser(command: str, text: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m workflow_scripts.<command>`, whose help is the module's own text, in its own lines."""
    return argparse.ArgumentParser(
        prog=f"python -m workflow_scripts.{command}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def stop_writing() -> None:
    """Let the rest of the output go nowhere, because whoever reads it (`head`) has seen enough and left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
