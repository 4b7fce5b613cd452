"""Progress for tests that look at its messages."""


class RecordedProgress:
    """Keeps every message of a computation in `lines`."""

    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)

    def advance(self, done, total, note=""):
        pass
