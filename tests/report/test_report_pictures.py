from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from tests.report.example_report import example, findings, hostile

from infermodel.economics.band import Band
from infermodel.metrics.objectives import objectives
from infermodel.report.drawing import HEIGHT_PX, WIDTH_PX, look, svgs
from infermodel.report.findings import Findings
from infermodel.report.palette import BOUNDS, COLOURS, PARTS, SPARE_COLOURS, styles
from infermodel.report.pictures import PICTURES
from infermodel.report.pictures.capacity import knee
from infermodel.report.pictures.speed import against_latency, against_price
from infermodel.tables import StateTable


def many() -> Findings:
    """Nine services with long names, close to each other: the worst case for labels."""
    result, capacities, verdicts = example()
    services, found = [], []
    for number in range(9):
        one, capacity = result.services[number % 3], capacities[number % 3]
        name = f"{one.summary.service}, variant {number} with a long name"
        summary = replace(
            one.summary, service=name, output_speed_p50_tok_s=one.summary.output_speed_p50_tok_s * 1.02**number
        )
        services.append(replace(one, summary=summary))
        found.append(
            replace(capacity, service=name, summary=capacity.summary and replace(capacity.summary, service=name))
        )
    claims = [replace(verdicts[n % 5], id=f"C{n:02d}") for n in range(30)]
    return Findings.of(replace(result, services=tuple(services)), found, claims)


def coming_and_going(material: Findings) -> Findings:
    """The same, where replicas were off at first, and one fails."""
    services = []
    for each in material.services:
        end_s, pools = each.record.ended_at, each.record.pools
        starts = StateTable(
            np.array([0, 0, 0, 0]),
            np.array(["off", "starting", "up", "down"]),
            np.array([0.0, 0.1, 0.4, 0.8]) * end_s,
            np.array([0.1, 0.4, 0.8, 1.0]) * end_s,
        )
        record = replace(each.record, pools=(replace(pools[0], states=starts), *pools[1:]))
        services.append(replace(each, record=record))
    return replace(material, result=replace(material.result, services=tuple(services)))


def text_boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every visible text with the box that it covers, pixels. Labels of ticks outside the axis are not drawn."""
    figure.canvas.draw()
    labels, shown = set(), []
    for axes in figure.findobj(Axes):
        for axis in (axes.xaxis, axes.yaxis):
            labels |= {
                id(label) for tick in (*axis.majorTicks, *axis.minorTicks) for label in (tick.label1, tick.label2)
            }
            low, high = sorted(axis.get_view_interval())
            at = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
            if axes.get_visible():
                shown += [label for place, label in at if low * (1 - 1e-9) <= place <= high * (1 + 1e-9)]
    shown += [text for text in figure.findobj(Text) if id(text) not in labels]
    return [
        (text.get_text(), text.get_window_extent())
        for text in shown
        if text.get_visible() and text.get_text().strip() and (text.axes is None or text.axes.get_visible())
    ]


FIRST = [name for name in PICTURES if not name.startswith("claims_")]
"""Pictures that a run with claims, capacities and replicas that come and go has."""


def image_of(name: str, told: Findings) -> bytes | None:
    return dict(svgs({name: PICTURES[name].picture}, told)).get(name)


@pytest.mark.parametrize("name", FIRST)
def test_a_picture_is_a_slide_whose_words_are_text(name: str) -> None:
    image = image_of(name, coming_and_going(findings()))
    assert image is not None
    root = ElementTree.fromstring(image.decode())
    width, height = (float(root.attrib[side].removesuffix("pt")) for side in ("width", "height"))
    assert width / height == pytest.approx(WIDTH_PX / HEIGHT_PX)
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert len(words) > 5
    assert len(image) < 200_000
    assert b"dc:date" not in image
    assert b"Matplotlib" not in image


def assert_apart(boxes: list[tuple[str, Bbox]]) -> None:
    """Nothing leaves the sheet or covers something else."""
    assert boxes
    for text, box in boxes:
        assert min(box.x0, box.y0) >= -1, text
        assert box.x1 <= WIDTH_PX + 1, text
        assert box.y1 <= HEIGHT_PX + 1, text
    for (one, a), (other, b) in combinations(boxes, 2):
        width, height = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width <= 1 or height <= 2, f"{one!r} covers {other!r}"


@pytest.mark.parametrize("case", ["plain", "hostile", "many"])
@pytest.mark.parametrize("name", FIRST)
def test_no_text_covers_another_or_leaves_the_sheet(name: str, case: str) -> None:
    material = coming_and_going({"plain": findings, "hostile": lambda: Findings.of(*hostile()), "many": many}[case]())
    with look(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = PICTURES[name].picture(material)
        assert isinstance(figure, Figure)
        boxes = text_boxes(figure)
    assert_apart(boxes)


def test_labels_of_promised_speeds_fit_beside_their_panels() -> None:
    material = findings()
    promised = objectives({"output_speed_p10": 30.0, "ttft_p99": 2.0, "tpot_p99": 0.05})
    services = [replace(each, service=replace(each.service, objectives=promised)) for each in material.services]
    with look():
        figure = PICTURES["objectives"].picture(
            replace(material, result=replace(material.result, services=tuple(services)))
        )
        assert isinstance(figure, Figure)
        boxes = text_boxes(figure)
    assert "tokens/s p10" in [text for text, _ in boxes]
    assert_apart(boxes)


@pytest.mark.parametrize("case", ["plain", "many"])
@pytest.mark.parametrize("name", ["capacity", "latency"])
def test_words_lie_on_no_mark(name: str, case: str) -> None:
    with look():
        figure = PICTURES[name].picture({"plain": findings, "many": many}[case]())
        assert isinstance(figure, Figure)
        figure.canvas.draw()
    named = 0
    for axes in figure.findobj(Axes):
        marked = [line for line in axes.lines if line.get_marker() not in ("", "None", None, "|")]
        marks = [axes.transData.transform(point) for line in marked for point in line.get_xydata()]
        for text in axes.texts:
            box = text.get_window_extent()
            named += 1
            assert not [mark for mark in marks if box.contains(*mark)], text.get_text()
    assert named


def test_a_system_has_one_colour_everywhere() -> None:
    alone, among = styles(["h100-sxm"])[0], styles(["wse-3", "h100-sxm", "groq-lpu-v1"])[1]
    assert alone.colour == among.colour == COLOURS["h100-sxm"]
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert not set(COLOURS.values()) & set(SPARE_COLOURS)


def test_only_fleets_that_come_and_go_are_named_beside_their_replicas() -> None:
    still, going = findings(), coming_and_going(findings())
    one = replace(still.result, services=(*still.services[:-1], going.services[-1]))
    image = image_of("replicas", replace(still, result=one))
    assert image is not None
    names = [each.summary.service for each in still.services]
    assert [f">{name}<" in image.decode() for name in names] == [name == names[-1] for name in names]


def test_services_on_one_device_can_be_told_apart() -> None:
    looks = styles(["h100-sxm"] * 6)
    assert len({(each.colour, each.dash) for each in looks}) == 6


def test_the_knee_lies_where_latency_has_doubled() -> None:
    # a straight line on log axes from (10, 1) to (1000, 16): slope log 16 / log 100; 2 is reached at 10 * 100**(1/4)
    assert knee([(10.0, 1.0), (1000.0, 16.0)]) == pytest.approx((10 * 100**0.25, 2.0))
    assert knee([(10.0, 1.0), (1000.0, 1.9)]) is None


def test_many_claims_go_on_further_sheets() -> None:
    drawn = [name for name in PICTURES if name.startswith("claims") and image_of(name, many()) is not None]
    assert drawn == ["claims", "claims_2"]  # 30 of them, 18 on a sheet at most


def test_nothing_to_draw_is_no_picture() -> None:
    result, _, _ = example()
    bare = Findings.of(result, [], [])
    assert image_of("claims", bare) is None
    assert image_of("capacity", bare) is None
    assert image_of("speed_price", bare) is not None  # at the offered load then


def test_dollars_are_no_seconds_where_every_price_is_one_figure() -> None:
    # Rented fleets without a list price: exact prices, as exact as times to the first token are.
    result, _, _ = example()
    services = tuple(
        replace(
            each,
            economics=replace(each.economics, blended_usd_per_mtok=Band.exactly(3.0 + i), list_usd_per_mtok=None),
        )
        for i, each in enumerate(result.services)
    )
    rented = Findings.of(replace(result, services=services), [], [])
    for drawn, unit in ((against_price(rented), ""), (against_latency(rented), "s")):
        assert drawn is not None
        drawn.canvas.draw()
        labels = [tick.get_text() for tick in drawn.axes[0].get_xticklabels() if tick.get_text()]
        assert labels
        assert all(label.endswith("s") == (unit == "s") for label in labels)


def test_one_service_has_no_best_corner() -> None:
    result, capacities, _ = example()
    alone = Findings.of(replace(result, services=result.services[:1]), capacities[:1], [])
    assert against_price(alone) is None
    assert against_latency(alone) is None


@pytest.mark.parametrize("colours", [BOUNDS, PARTS])
def test_causes_and_parts_are_told_apart_by_every_eye(colours: dict[str, str]) -> None:
    # Deuteranopia after Machado, Oliveira and Fernandes (2009), severity 1; alternatives are never in one picture.
    matrix = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    seen = {name: matrix @ [int(colour[at : at + 2], 16) for at in (1, 3, 5)] for name, colour in colours.items()}
    for one, other in combinations(seen, 2):
        if {one, other} != {"power", "colocation"} and "rental" not in (one, other):
            assert np.abs(seen[one] - seen[other]).max() > 40, (one, other)
