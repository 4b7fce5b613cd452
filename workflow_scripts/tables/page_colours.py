"""The colours of text, lines and grounds that `report.html` and `provenance.html` share, as the start of their CSS."""

PAGE_COLOURS = """\
:root { --ink: #1a1a1a; --soft: #55595e; --line: #d6d9dd; --paper: #ffffff; --tint: #f4f6f8; --link: #005a9c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --soft: #a9b0b8; --line: #3b4149; --paper: #15181c; --tint: #1f242a; --link: #7cc0ff; }
}"""
"""The light scheme, and the dark one where the browser asks for it."""
