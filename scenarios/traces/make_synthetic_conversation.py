"""Make synthetic_conversation.csv: 500 requests of our own, in the columns and in the likeness of the Azure 2023 log.

    python scenarios/traces/make_synthetic_conversation.py

Arrivals 5.5 a second with gap CV 1.1, prompts of mean 1,150 and outputs of mean 210 tokens, cut to a context of 8,192;
independent draws from one seed, so nothing of anybody's log is in it. A test checks that the file is what this makes.
"""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from infermodel.workload.arrivals import Gamma
from infermodel.workload.lengths import Lognormal

SEED = 20240827
REQUESTS = 500
TARGET = Path(__file__).with_name("synthetic_conversation.csv")


def rows() -> list[str]:
    """The lines of the file."""
    generator = np.random.default_rng(SEED)
    arrived_at = next(Gamma(5.5, cv=1.1).blocks(generator, REQUESTS))
    prompts = Lognormal(1150, 0.95, max_tokens=7000).draw(generator, REQUESTS)
    outputs = Lognormal(210, 0.75, max_tokens=1000).draw(generator, REQUESTS)
    noon = datetime(2024, 8, 27, 12)
    stamps = [noon + timedelta(microseconds=round(at * 1e6)) for at in arrived_at.tolist()]
    lines = zip(stamps, prompts.tolist(), outputs.tolist(), strict=True)
    return [
        "TIMESTAMP,ContextTokens,GeneratedTokens",
        *(f"{at:%Y-%m-%d %H:%M:%S.%f},{prompt},{output}" for at, prompt, output in lines),
    ]


if __name__ == "__main__":
    TARGET.write_text("\n".join(rows()) + "\n")
