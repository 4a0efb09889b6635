"""A stack of its own, because these tests break its stores: nothing else may run on it."""

from collections.abc import Iterator

import pytest

from benchmarks.chaos.people import People
from benchmarks.chaos.profiles import FAST
from benchmarks.chaos.watch import Watch
from benchmarks.chaos.world import World, opened

SEED = 20


@pytest.fixture(scope="session")
def stack() -> Iterator[World]:
    """Start the stack once."""
    with opened(FAST, seed=SEED) as world:
        yield world


@pytest.fixture(scope="session")
def people(stack: World) -> People:
    """Return Oscar and Bob, who do nothing until a test asks them to."""
    return People(stack)


@pytest.fixture(scope="session")
def watch(stack: World) -> Watch:
    """Take notes of every death."""
    return Watch(stack)


@pytest.fixture
def world(stack: World) -> Iterator[World]:
    """Give the stack with all of its workers, and put them back afterwards."""
    yield stack
    stack.ledger.open.set()
    stack.fleet.resize("worker", stack.profile.workers)
