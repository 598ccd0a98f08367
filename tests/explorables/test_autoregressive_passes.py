"""The explorable counts the passes of either network and shows what they have found."""

import pytest

from deepul_utils.explorables.autoregressive_passes import AutoregressivePasses


def told(page):
    return page.locator("[role=status]").inner_text()


def known(page, row):
    """How many circles of a row are known, in the AF's panel and in the IAF's."""
    return [
        panel.locator(f"circle[data-row={row}][data-known='1']").count()
        for panel in page.locator("svg[role=figure]").all()
    ]


@pytest.mark.parametrize(("direction", "given", "wanted"), [("density", "x", "z"), ("sample", "z", "x")])
def test_one_side_takes_a_pass_and_the_other_one_for_each_dimension(show, direction, given, wanted):
    page = show(AutoregressivePasses(dims=4, direction=direction))
    assert known(page, given) == [4, 4]
    assert known(page, wanted) == [0, 0]
    fast = 0 if direction == "density" else 1  # AF finds densities at once, IAF samples
    for passes in range(1, 5):
        page.get_by_role("button", name="One pass").press("Enter")
        counts = known(page, wanted)
        assert counts[fast] == 4
        assert counts[1 - fast] == passes
    assert ["AF", "IAF"][fast] + f": all of {wanted} after 1 pass." in told(page)
    assert ["AF", "IAF"][1 - fast] + f": all of {wanted} after 4 passes." in told(page)
    assert page.get_by_role("button", name="One pass").is_disabled()


def test_a_pass_reads_all_that_was_found_before(show):
    page = show(AutoregressivePasses(dims=5, direction="sample", passes=4))
    assert "AF: pass 4 of 5 found x₃, since x₀ to x₂ were known." in told(page)
    edges = [panel.locator("line[data-edge='1']").count() for panel in page.locator("svg[role=figure]").all()]
    assert edges == [3, 10]


def test_another_direction_or_size_starts_again(show):
    page = show(AutoregressivePasses(dims=3, passes=2))
    page.get_by_role("radio", name="sample: z is given, find x").check()
    assert told(page) == "AF: nothing found yet. IAF: nothing found yet."
    page.get_by_role("button", name="One pass").press("Enter")
    page.get_by_role("slider", name="dimensions").press("ArrowRight")
    assert told(page) == "AF: nothing found yet. IAF: nothing found yet."
    assert known(page, "z") == [4, 4]


def test_directions_are_two():
    with pytest.raises(ValueError, match='must be "density" or "sample"'):
        AutoregressivePasses(direction="backwards")


def test_nothing_is_wider_than_a_phone(show):
    page = show(AutoregressivePasses(dims=6, direction="sample", passes=3), width=350)
    assert page.evaluate("document.documentElement.scrollWidth") <= 350
