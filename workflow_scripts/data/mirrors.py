"""Which texts can name a mirror of source files, and how one is shown to people without its password."""

import re
from urllib.parse import urlsplit

_NAMED_PLACE = re.compile("(//+)?[^/]*:[^/]*@|//+[^/]*@")
"""The start of `name:password@place`, and of `//name@place`, without a scheme or with too few slashes after it."""
_CREDENTIALS = re.compile(r"""//.*@|[^\s"':]+:\S*@""")


def mirror_problem(mirror: str) -> str | None:
    """Why a text is not a valid mirror, without showing it, because it may hold a password; None where it is."""
    try:
        parts = urlsplit(mirror)
        named = parts.username is not None or parts.password is not None
        valid = parts.port is None or parts.hostname is not None
    except ValueError:
        named, valid = False, False
    if named or _NAMED_PLACE.match(mirror.strip()):
        return "a mirror's address must not hold a user name or password; put them in ~/.netrc"
    if not valid:
        return "a mirror under data.mirrors is not a valid address"
    if parts.scheme != "file" and bool(parts.netloc) != (parts.scheme in ("http", "https")):
        return "a mirror is a folder, or an address that starts with file://, http:// or https://"
    return None


def without_credentials(text: str) -> str:
    """A text for people, without what may be a user name and a password in it: all that leads to an @ in an address."""
    return _CREDENTIALS.sub("...@", text)
