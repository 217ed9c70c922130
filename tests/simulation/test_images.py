"""Images in prompts: which step encodes them, and which need not."""

from __future__ import annotations

import pytest
from tests.kit.toy_models import AffineModel

from infermodel.architecture import Seen
from infermodel.simulation import Horizon, Limits, one_pool, simulate
from infermodel.simulation.replica.replica import Stepping
from infermodel.simulation.spec import FrontEndSpec
from infermodel.tables import ServiceRecord
from infermodel.workload.arrivals import Offline
from infermodel.workload.bodies import Prefix, Shared, SystemPrompts
from infermodel.workload.images import Images
from infermodel.workload.lengths import Fixed
from infermodel.workload.traffic import ClosedTraffic, OpenTraffic

TWO = Images(2, 500 * 500, Seen(1, 2000, 500, 600))
"""Of 600 tokens each, which the encoder makes of 2,000 patches in 2 s."""

MODEL = AffineModel(base_s=1.0, per_patch_s=1e-3)
CACHING = Limits(8, 500, 4096, prefix_caching=True)


def play(
    limits: Limits, prefix: Shared | None = None, requests: int = 1, stepping: Stepping = "leap", images: Images = TWO
) -> ServiceRecord:
    traffic = ClosedTraffic(1, Fixed(100), Fixed(10), prefix=prefix, requests=requests, images=images)
    (record,) = simulate([one_pool("service", MODEL, traffic, limits)], 1, Horizon(), stepping=stepping)
    return record


@pytest.mark.parametrize("stepping", ["leap", "every"])
def test_an_image_is_encoded_before_the_chunk_in_which_it_begins(stepping: Stepping) -> None:
    # 1,300 tokens in chunks of 500: the first image begins with the first chunk, the second, at 600, in the second.
    record = play(Limits(8, 500, 4096), stepping=stepping)
    assert record.requests.prompt_tokens.tolist() == [1300]
    assert record.requests.first_token_at.tolist() == [3 * 1 + 2 * 2]


def test_an_image_holds_up_the_prompt_before_it_and_no_later_one() -> None:
    # Two of 700 tokens, 500 a step: [500 of A: its image], [200 of A, 300 of B: B's image], [400 of B].
    one = Images(1, 500 * 500, Seen(1, 2000, 500, 600))
    traffic = OpenTraffic(Offline(2), Fixed(100), Fixed(1), images=one)
    (record,) = simulate([one_pool("service", MODEL, traffic, Limits(8, 500, 4096))], 1, Horizon())
    assert record.requests.first_token_at.tolist() == [3 + 3, 3 + 3 + 1]


def test_steps_behind_the_last_image_are_alike_again() -> None:
    # 4,000 tokens of text behind the images: 11 chunks, of which nine have none that begins there.
    traffic = ClosedTraffic(1, Fixed(4000), Fixed(1), requests=1, images=TWO)
    (record,) = simulate([one_pool("service", MODEL, traffic, Limits(8, 500, 8192))], 1, Horizon())
    assert record.requests.first_token_at.tolist() == [11 * 1 + 2 * 2]


def test_a_prompt_that_is_found_has_its_images_in_the_cache() -> None:
    # The second time all but the last block is there: one step, no image.
    record = play(CACHING, Prefix(1), requests=2)
    taken = record.requests.first_token_at - record.requests.arrived_at
    assert taken.tolist() == [7.0, 1.0]


def test_images_behind_a_system_prompt_that_is_found_are_encoded() -> None:
    # 512 tokens before the images are found; 1,200 of images and one of text: chunks end at 1,012, 1,512 and 1,713.
    record = play(CACHING, SystemPrompts(1, 512), requests=2)
    taken = record.requests.first_token_at - record.requests.arrived_at
    assert record.requests.prompt_tokens.tolist() == [1713, 1713]
    assert taken.tolist() == [4 + 2 * 2, 3 + 2 * 2]


def test_whoever_gave_way_has_its_images_encoded_again() -> None:
    # Blocks for 1,600 tokens, two requests of 704 and answers of 200: the second gives way, comes back when the first
    # is done, and is read anew. The steps are the same whatever an image takes, so its time comes on top thrice.
    ends, limits = [], Limits(8, 500, 4096, whole_prompt=True)
    for patch_s in (0.0, 1e-3):
        model = AffineModel(base_s=1.0, per_patch_s=patch_s, kv_tokens=1600)
        one = Images(1, 500 * 500, Seen(1, 2000, 500, 600))
        traffic = OpenTraffic(Offline(2), Fixed(104), Fixed(200), images=one)
        (record,) = simulate([one_pool("service", model, traffic, limits)], 1, Horizon())
        assert record.requests.preemptions.tolist() == [0, 1]
        ends.append(float(record.requests.last_token_at.max()))
    assert ends[1] - ends[0] == pytest.approx(3 * 2)


def test_a_share_of_prompts_holds_images() -> None:
    half = Images(1, 500 * 500, Seen(1, 2000, 500, 600), share=0.5)
    traffic = OpenTraffic(Offline(2000), Fixed(100), Fixed(1), images=half)
    (record,) = simulate([one_pool("service", MODEL, traffic, Limits(64, 8192, 4096))], 1, Horizon())
    holding = int((record.requests.prompt_tokens == 700).sum())
    assert set(record.requests.prompt_tokens.tolist()) == {100, 700}
    assert abs(holding - 1000) < 4 * (2000 / 4) ** 0.5  # four standard deviations of a fair coin
    assert traffic.mean_prompt_tokens == 400


def test_a_process_of_the_front_end_reads_one_image_after_the_other() -> None:
    # A million pixels take 74 ms, 3 ms a request, 1 us a token of 700. Two come at once and are in one step or two.
    images = Images(1, 1_000_000, Seen(1, 2000, 500, 600))
    traffic = OpenTraffic(Offline(2), Fixed(100), Fixed(1), images=images)
    front_end = FrontEndSpec(1, 3e-3, 1e-6, 0.0, pixel_s=74e-9)
    spec = one_pool("service", AffineModel(base_s=0.01), traffic, Limits(8, 8192, 4096), front_end=front_end)
    (record,) = simulate([spec], 1, Horizon())
    assert record.requests.first_token_at.tolist() == pytest.approx([0.0777 + 0.01, 2 * 0.0777 + 0.01])
