"""A registry names what exists and imports it on first use."""

import pytest

from tenants.kernel.registry import DuplicateMember, Registry, UnknownMember


def registry() -> Registry[object]:
    return Registry("colour", {"red": "colorsys:rgb_to_hsv"}, group="countersign.nothing")


class TestRegistry:
    def test_imports_a_member_on_first_use(self) -> None:
        import colorsys

        assert registry().get("red") is colorsys.rgb_to_hsv

    def test_names_what_exists_when_asked_for_something_else(self) -> None:
        with pytest.raises(UnknownMember, match=r"no colour 'blue'\. Known: red") as raised:
            registry().get("blue")
        assert (raised.value.status, raised.value.data) == (404, {"name": "blue"})

    def test_refuses_a_name_twice(self) -> None:
        with pytest.raises(DuplicateMember):
            registry().add("red", "colorsys:rgb_to_yiq")

    def test_lists_names_in_order(self) -> None:
        colours = registry()
        colours.add("blue", "colorsys:rgb_to_yiq")
        assert list(colours) == ["blue", "red"]
        assert "blue" in colours
        assert "green" not in colours
