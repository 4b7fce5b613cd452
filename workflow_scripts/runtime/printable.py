"""Text from files, made safe to print."""


def visible(text: str) -> str:
    """Text in which what a terminal would not show as it is, such as an escape sequence, is written as its code.

    For names and words that come from files: they could otherwise change what a person sees of the lines around.
    """
    return "".join(sign if sign.isprintable() else _code(sign) for sign in text)


def _code(sign: str) -> str:
    return sign.encode("unicode_escape", errors="backslashreplace").decode()
