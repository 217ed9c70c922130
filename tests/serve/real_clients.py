"""aiperf, guidellm and vLLM's benchmark from environments of their own: how they are called, and what they report."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = Path(os.environ.get("INFERMODEL_CLIENTS", Path(__file__).parents[2] / ".venv-clients"))
"""Made by `make clients`."""

ENGINES, PYTHON, PACKAGES = (os.environ.get(f"INFERMODEL_ENGINE{each}", "") for each in ("S", "_PYTHON", "_PACKAGES"))
"""Where vLLM is, and what runs it; see tests/deploy/test_engine_parsers_slow.py."""

VLLM_BENCH = """
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
"""`vllm bench serve` without the command above it, which wants the engine's compiled part."""

TOKENIZER = """
import sys
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
bytes_alone = Tokenizer(models.BPE(vocab={each: i for i, each in enumerate(alphabet)}, merges=[]))
bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
bytes_alone.decoder = decoders.ByteLevel()
PreTrainedTokenizerFast(tokenizer_object=bytes_alone).save_pretrained(sys.argv[1])
"""
"""Writes a tokenizer whose tokens are bytes: no network, and the server counts prompts as the client does."""


FEW_PROCESSES = {**os.environ, "GUIDELLM__MAX_WORKER_PROCESSES": "1"}
"""The server and its client share two cores; guidellm else starts ten processes on them."""

ALONE = (
    f"PYTHONPATH={os.pathsep.join(filter(None, [ENGINES and str(Path(ENGINES) / 'vllm'), PACKAGES]))}",
    *("VLLM_TARGET_DEVICE=empty", "VLLM_LOGGING_LEVEL=ERROR", "HF_HUB_OFFLINE=1"),
)
"""Surroundings of vLLM's benchmark without its engine, and of no other client: with them aiperf ends in an error."""


@dataclass(frozen=True)
class Reported:
    """Medians, seconds, and how many requests came back."""

    answered: int
    ttft_s: float
    tpot_s: float


def aiperf(url: str, model: str, tokenizer: Path, replay: Path, out: Path) -> list[str]:
    return [
        *(str(ENVIRONMENT / "bin" / "aiperf"), "profile", "--model", model, "--url", url),
        *("--endpoint-type", "completions", "--streaming", "--input-file", str(replay)),
        *("--custom-dataset-type", "mooncake_trace", "--fixed-schedule", "--tokenizer", str(tokenizer)),
        *("--use-server-token-count", "--extra-inputs", "ignore_eos:true"),
        *("--output-artifact-dir", str(out / "aiperf"), "--ui", "none"),
        *("--workers-max", "1", "--record-processor-service-count", "1"),
    ]


def read_aiperf(out: Path) -> Reported:
    found = json.loads((out / "aiperf" / "profile_export_aiperf.json").read_text())
    answered = int(found["request_count"]["avg"])
    return Reported(answered, found["time_to_first_token"]["p50"] / 1e3, found["inter_token_latency"]["p50"] / 1e3)


def guidellm(url: str, model: str, tokenizer: Path, replay: Path, out: Path) -> list[str]:
    """Draws its own arrivals, and prompts and answers as long as the replay's first; prompts a few ahead, where it else
    draws 4,096 on one of the cores while it measures.
    """
    first = json.loads(replay.read_text().splitlines()[0])
    lengths = f"prompt_tokens={first['input_length']},output_tokens={first['output_length']}"
    return [
        *(str(ENVIRONMENT / "bin" / "guidellm"), "run", "--profile", "kind=poisson,rate=5"),
        *("--backend", f"kind=openai_http,target={url},model={model},request_format=/v1/completions"),
        *("--constraint", "kind=max_requests,count=200", "--tokenizer", f"kind=huggingface_auto,model={tokenizer}"),
        *("--data-loader", "kind=pytorch,prefetch_factor=16"),
        *("--data", f"kind=synthetic_text,{lengths}", "--output", f"kind=json,path={out / 'guidellm.json'}"),
        "--disable-progress",
    ]


def read_guidellm(out: Path) -> Reported:
    (found,) = json.loads((out / "guidellm.json").read_text())["benchmarks"]
    metrics = found["metrics"]
    ttft, itl = (metrics[name]["successful"]["median"] for name in ("time_to_first_token_ms", "inter_token_latency_ms"))
    return Reported(int(metrics["request_totals"]["successful"]), ttft / 1e3, itl / 1e3)


def vllm_bench(url: str, model: str, tokenizer: Path, replay: Path, out: Path) -> list[str]:
    """Draws its own arrivals, and prompts and answers as long as the replay's first."""
    first = json.loads(replay.read_text().splitlines()[0])
    return [
        *("env", *ALONE, PYTHON, "-c", VLLM_BENCH, "--backend", "openai", "--base-url", url, "--model", model),
        *("--tokenizer", str(tokenizer), "--dataset-name", "random", "--ignore-eos", "--disable-tqdm"),
        *("--random-input-len", str(first["input_length"]), "--random-output-len", str(first["output_length"])),
        *("--num-prompts", "200", "--request-rate", "5"),
        *("--save-result", "--result-dir", str(out), "--result-filename", "vllm.json"),
    ]


def read_vllm_bench(out: Path) -> Reported:
    found = json.loads((out / "vllm.json").read_text())
    return Reported(found["completed"], found["median_ttft_ms"] / 1e3, found["median_tpot_ms"] / 1e3)


CLIENTS = {"aiperf": (aiperf, read_aiperf), "guidellm": (guidellm, read_guidellm)}
if ENGINES and PYTHON:
    CLIENTS["vllm bench"] = (vllm_bench, read_vllm_bench)
