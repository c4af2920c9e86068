"""A program that writes to a live store without end, and says so after each write: to be killed.

    python tests/helpers/live_writer.py URL NAME

Every write changes something, and which write comes when is fixed: `state_after` knows what each leaves behind.
"""

from __future__ import annotations

import sys

from index.article import Article
from service.live_store.changes import Signal
from service.live_store.store import LiveStore

ARTICLES = 5
State = dict[str, tuple[str, str, str]]


def write(store: LiveStore, name: str, number: int) -> None:
    """The write of that number: an article is published, gets a signal, is withdrawn; then the next article."""
    article_id = f"{name}/{number // 3 % ARTICLES}"
    if number % 3 == 0:
        article = Article(id=article_id, headline=f"Version {number}", body=f"word{number} " * 1_000)
        store.put(article, by=name, at=number, expected=None, snapshot_version=None)
    elif number % 3 == 1:
        store.set_signals(article_id, (Signal(kind="exclude", note=str(number)),), by=name, at=number, expected=None)
    else:
        store.withdraw(article_id, by=name, at=number, note="", expected=None, snapshot_version=None, known=False)


def state_after(name: str, writes: int) -> State:
    """By article: its state, its headline, the note of its signal, after so many writes."""
    state: State = {}
    for number in range(writes):
        article_id = f"{name}/{number // 3 % ARTICLES}"
        published, headline, note = state.get(article_id, ("", "", ""))
        if number % 3 == 0:
            state[article_id] = ("published", f"Version {number}", note)
        elif number % 3 == 1:
            state[article_id] = (published, headline, str(number))
        else:
            state[article_id] = ("withdrawn", headline, note)
    return state


def main(url: str, name: str) -> None:
    """Write, and say so, until killed."""
    store, number = LiveStore(url), 0
    while True:
        write(store, name, number)
        number += 1
        print(number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
