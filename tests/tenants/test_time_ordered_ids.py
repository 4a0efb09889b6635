"""Primary keys sort by the time they were made."""

import time
import uuid

from tenants.kernel.models import uuid7


class TestUuid7:
    def test_has_the_version_and_variant_of_rfc_9562(self) -> None:
        made = [uuid7() for _ in range(200)]
        assert {value.version for value in made} == {7}
        assert {value.variant for value in made} == {uuid.RFC_4122}

    def test_begins_with_the_milliseconds_of_its_making(self) -> None:
        before = time.time_ns() // 1_000_000
        value = uuid7()
        after = time.time_ns() // 1_000_000
        assert before <= value.int >> 80 <= after

    def test_sorts_by_time_as_text_too(self) -> None:
        made = [uuid7() for _ in range(500)]
        assert sorted(made, key=lambda value: value.int >> 80) == made
        assert [str(value)[:13] for value in made] == sorted(str(value)[:13] for value in made)

    def test_never_repeats(self) -> None:
        assert len({uuid7() for _ in range(5000)}) == 5000
