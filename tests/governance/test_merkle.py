"""The Merkle tree gives the published answers of RFC 6962."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.audit.merkle import Frontier, extend, leaf, node, root

INPUTS = (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)  # fmt: skip
# From the test suite of google/certificate-transparency (merkletree/merkle_tree_test.cc).
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def reference(leaves: list[bytes]) -> bytes:
    """Compute a root by RFC 6962's recursive definition."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node(reference(leaves[:split]), reference(leaves[split:]))


class TestRoot:
    def test_of_the_empty_tree_is_the_hash_of_nothing(self) -> None:
        assert root([]).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    @pytest.mark.parametrize(("size", "expected"), list(enumerate(ROOTS, 1)))
    def test_is_the_known_answer(self, size: int, expected: str) -> None:
        frontier, grown = extend([], 0, [leaf(bytes.fromhex(data)) for data in INPUTS[:size]])
        assert (grown, root(frontier).hex()) == (size, expected)

    @given(st.integers(0, 130))
    def test_equals_the_recursive_definition(self, size: int) -> None:
        leaves = [leaf(bytes([n])) for n in range(size)]
        assert root(extend([], 0, leaves)[0]) == reference(leaves)


class TestExtend:
    @given(st.lists(st.integers(0, 9), max_size=8))
    def test_grows_the_same_tree_in_any_batches(self, batches: list[int]) -> None:
        frontier: Frontier = []
        size, leaves = 0, [leaf(bytes([n])) for n in range(sum(batches))]
        for count in batches:
            frontier, size = extend(frontier, size, leaves[size : size + count])
        assert root(frontier) == reference(leaves)
        assert len(frontier) == size.bit_count()

    def test_leaves_the_given_frontier_alone(self) -> None:
        frontier, size = extend([], 0, [leaf(b"a")])
        extend(frontier, size, [leaf(b"b")])
        assert frontier == [leaf(b"a")]

    def test_a_leaf_is_never_taken_for_a_node(self) -> None:
        left, right = leaf(b"a"), leaf(b"b")
        assert leaf(left + right) != node(left, right)
