"""What all commands that a person types have in common."""

import argparse


def documented_parser(command: str, text: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m workflow_scripts.<command>`, whose help is the module's own text, in its own lines."""
    return argparse.ArgumentParser(
        prog=f"python -m workflow_scripts.{command}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
