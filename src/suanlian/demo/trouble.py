"""What stops the demo, in words that say what to do."""


class Trouble(Exception):  # noqa: N818 - it is caught once, at the door, and shown as a message
    """The demo cannot go on. ``wrong`` says what and which process, ``todo`` what to do, ``log`` its last lines."""

    def __init__(self, wrong: str, todo: str = "", log: str = "") -> None:
        """Keep the three texts, in the language in force."""
        super().__init__(wrong)
        self.wrong = wrong
        self.todo = todo
        self.log = log


class Interrupted(Exception):  # noqa: N818 - as Trouble
    """Somebody ended the demo: Ctrl-C, SIGTERM or SIGHUP."""

    def __init__(self, number: int) -> None:
        """Keep the signal's number."""
        super().__init__(number)
        self.number = number
