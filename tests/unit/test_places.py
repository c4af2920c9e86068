"""Places at work, without requests: who waits elsewhere holds up nobody, and not too many do."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from served import until

from service.api.places import ELSEWHERE, WORKING, Places


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """What those elsewhere wait for; there at the test's end."""
    ended = threading.Event()
    yield ended
    ended.set()


def wait_elsewhere(places: Places, end: threading.Event) -> threading.Thread:
    """A thread that took a place and waits elsewhere by now."""
    is_there = threading.Event()

    def work() -> None:
        places.take()
        with places.elsewhere():
            is_there.set()
            assert end.wait(30)
        places.give_back()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert is_there.wait(10)
    return thread


def takes_a_place(places: Places) -> bool:
    """Whether there is a place; another thread takes it, which gives it back."""
    took = threading.Event()

    def work() -> None:
        places.take()
        took.set()
        places.give_back()

    threading.Thread(target=work, daemon=True).start()
    return took.wait(0.5)


def test_who_waits_elsewhere_has_no_place_and_takes_one_again(end: threading.Event) -> None:
    places = Places()
    threads = [wait_elsewhere(places, end) for _ in range(ELSEWHERE)]
    assert takes_a_place(places)
    for _ in range(WORKING):
        places.take()
    end.set()
    assert threads[0].is_alive()  # it wants its place
    for _ in range(WORKING):
        places.give_back()
    for each in threads:
        each.join(10)
        assert not each.is_alive()
    assert takes_a_place(places)


def test_those_beyond_the_most_that_may_wait_elsewhere_keep_their_places(end: threading.Event) -> None:
    places = Places()
    for _ in range(ELSEWHERE + WORKING):
        wait_elsewhere(places, end)
    assert not takes_a_place(places)
    end.set()
    until(lambda: takes_a_place(places))


def test_a_failure_elsewhere_takes_the_place_again() -> None:
    places = Places()
    for _ in range(2 * ELSEWHERE):
        places.take()
        with pytest.raises(KeyError), places.elsewhere():
            raise KeyError
        places.give_back()
    assert takes_a_place(places)


def test_who_begins_to_wait_elsewhere_wakes_a_thread_that_rests(end: threading.Event) -> None:
    places = Places()
    for _ in range(WORKING):
        places.take()
    resting = threading.Thread(target=places.rest, daemon=True)
    resting.start()
    resting.join(0.3)
    assert resting.is_alive()
    for _ in range(WORKING):
        places.give_back()
    wait_elsewhere(places, end)
    resting.join(10)
    assert not resting.is_alive()
