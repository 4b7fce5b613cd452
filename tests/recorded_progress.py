"""Progress for tests that look at what was said."""


class Said:
    """Keeps every line."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)

    def advance(self, done, total, note=""):
        pass
