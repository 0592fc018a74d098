"""A thread that does what need not be done while a model trains: counting, drawing, writing files."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Background"]


class Background:
    """Does one job after the other, each in a thread of its own; no more than one is waiting."""

    def __init__(self, fails: Callable[[str, Exception], None]) -> None:
        """Nothing runs yet.

        Args:
            fails: called, in that thread, with what was done and the exception.
        """
        self._fails = fails
        self._thread: threading.Thread | None = None

    def do(self, what: str, job: Callable[[], object]) -> None:
        """Begins a job, when the one before has ended.

        Args:
            what: it is, for the text of a warning.
            job: takes nothing.
        """
        self.wait()

        def run() -> None:
            try:
                job()
            except Exception as error:  # whatever it is, training goes on
                self._fails(what, error)

        thread = threading.Thread(target=run, name="tallyboard keras", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads, or the program is ending
            run()
        else:
            self._thread = thread

    def wait(self) -> None:
        """Returns when all is done."""
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()
