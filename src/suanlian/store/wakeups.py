"""Who waits for a topic is woken after COMMIT: long-polls on the event loop, workers on their threads.

A wake-up is a hint, never a promise: whoever waits looks at the store again, and looks by itself after a while.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress


class Wakeups:
    """The topics of one process and who listens to each."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        # a signal handler closes, and may interrupt the very thread that holds the lock
        self._lock = threading.RLock()
        self.closing = False
        self._tasks: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Event]]] = defaultdict(set)
        self._threads: dict[str, set[threading.Event]] = defaultdict(set)

    def notify(self, topics: Iterable[str]) -> None:
        """Wake everybody who listens to one of these."""
        with self._lock:
            wanted = set(topics)
            tasks = {pair for topic in wanted for pair in self._tasks.get(topic, ())}
            threads = {event for topic in wanted for event in self._threads.get(topic, ())}
        for event in threads:
            event.set()
        for loop, waiting in tasks:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(waiting.set)

    def close(self) -> None:
        """Let every long-poll answer now: the process is about to end."""
        self.closing = True
        with self._lock:
            topics = [*self._tasks, *self._threads]
        self.notify(topics)

    @contextmanager
    def listen(self, topic: str) -> Iterator[asyncio.Event]:
        """An event of the running loop that is set at each wake-up; listen first, then look at the store."""
        pair = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._tasks[topic].add(pair)
        try:
            yield pair[1]
        finally:
            with self._lock:
                self._tasks[topic].discard(pair)
                if not self._tasks[topic]:
                    del self._tasks[topic]

    def follow(self, topics: Collection[str]) -> threading.Event:
        """An event for a worker's thread, set whenever one of these topics is woken."""
        event = threading.Event()
        with self._lock:
            for topic in topics:
                self._threads[topic].add(event)
        return event


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for a wake-up, at most so long; whether it came. The event is cleared for the next round."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    event.clear()
    return True
