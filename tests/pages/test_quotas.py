"""The page of rate limits holds what the code prints."""

from pathlib import Path

from infermodel.pages.quotas import taken

PAGE = (Path(__file__).parents[2] / "docs" / "rate_limits.md").read_text(encoding="utf-8")


def test_twenty_seven_minutes_of_chat() -> None:
    # 30 requests of 1,200 tokens are 36,000 a minute: 27 whole minutes make 972,000, the 28th the rest: 833 requests.
    at_s, total = taken(1200, 86400.0)[-1]
    assert at_s == 27 * 60
    assert total == 833 * 1200
