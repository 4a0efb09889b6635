"""The Merkle tree of RFC 6962 section 2.1, grown leaf by leaf. Pure."""

import hashlib
from collections.abc import Iterable

Frontier = list[bytes]
"""Roots of the complete subtrees of a log, largest first: as many as the size has 1-bits."""


def leaf(data: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256(0x00 || data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def extend(frontier: Frontier, size: int, leaves: Iterable[bytes]) -> tuple[Frontier, int]:
    """Append leaf hashes to a log of `size` leaves; return the new frontier and size."""
    roots = list(frontier)
    for digest in leaves:
        carried, pending = digest, size
        while pending & 1:
            carried = node(roots.pop(), carried)
            pending >>= 1
        roots.append(carried)
        size += 1
    return roots, size


def root(frontier: Frontier) -> bytes:
    """Return the root of a log: SHA-256("") when empty, else the subtrees folded from the right."""
    if not frontier:
        return hashlib.sha256(b"").digest()
    folded = frontier[-1]
    for subtree in reversed(frontier[:-1]):
        folded = node(subtree, folded)
    return folded
