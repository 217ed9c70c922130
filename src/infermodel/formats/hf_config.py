"""Model architectures from the `config.json` that stands beside weights in the Hugging Face layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from infermodel.architecture import (
    NO_FEED_FORWARD,
    PRECISION_BYTES,
    ExpertFeedForward,
    Layer,
    LinearAttention,
    ModelArchitecture,
)
from infermodel.formats.hf.config import Config, configuration
from infermodel.formats.hf.families import FAMILIES, UNTIED, unknown
from infermodel.formats.hf.images import image_encoder
from infermodel.formats.hf.pieces import Body
from infermodel.formats.hf.quantisation import DTYPES, Stored, stored
from infermodel.formats.hf.towers import inside, towers
from infermodel.formats.text import FormatError, read_lines
from infermodel.hardware import Quantity

MOST_LINES = 100_000
TEXT_PARTS = ("text_config", "llm_config", "thinker_config")
"""Where a wrapper keeps its language model."""


def architecture(
    keys: Mapping[str, Any],
    path: Path,
    name: str,
    beside: Mapping[str, Any] | None = None,
    processor: Config | None = None,
) -> ModelArchitecture:
    """A model from the parsed content of a `config.json`.

    Args:
        keys: the content.
        path: the file, for messages and provenance.
        name: what to call the model.
        beside: the content of `hf_quant_config.json` beside it.
        processor: that of `preprocessor_config.json`, or what `processor_config.json` has of it, which bounds the size
            of images.

    Raises:
        FormatError: the family is not in `FAMILIES`, or a key that its family needs is missing or wrong.
    """
    outer = configuration(path, keys, str(keys.get("model_type") or ""))
    config, family = _text(outer)
    if not isinstance(family, str) or family not in FAMILIES:
        raise unknown(config, family)
    body = FAMILIES[family](config)
    hidden, vocabulary = config.whole("hidden_size"), body.vocabulary or config.whole("vocab_size")
    context = config.whole("max_position_embeddings", "n_positions", "max_seq_len", default=0) or DEFAULT_CONTEXT
    figures = {"hidden": hidden, "vocabulary": vocabulary, "max_context": context, "layers": len(body.layers)}
    model = ModelArchitecture(
        name=name,
        title=name,
        hidden=hidden,
        vocabulary=vocabulary,
        layers=body.layers,
        tied_embeddings=family not in UNTIED and _tied(outer, config),
        max_context=context,
        towers=towers(outer, config) if config is not outer else (),
        images=image_encoder(outer, processor or Config(path, {}), hidden) if config is not outer else None,
        state_number_bytes=_state_bytes(config, body),
        extra_parameters=body.extra + (inside(outer, config) if config is not outer else 0),
        drafts=drafts(config, body),
        provenance={key: Quantity(value, "", "datasheet", str(path)) for key, value in figures.items()},
    )
    return stored(model, Stored(outer, config, beside or {}))


DRAFTS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules")
"""How families call the number of their layers that draft."""


def drafts(config: Config, body: Body) -> tuple[Layer, ...]:
    """Layers that draft: each the last attention to everything, scored where any is, and the last network, of experts
    where there are any, behind a projection of two vectors (vLLM 0.33.0 builds all that it knows so).
    """
    number = config.whole(*DRAFTS, default=0)
    if number > len(body.layers):
        raise config.refused(f"{number:,} layers that draft, more than the {len(body.layers)} of the model")
    looking = [layer.attention for layer in body.layers if layer.attention.heads and not layer.attention.window]
    scoring = [attention for attention in looking if attention.indexer]
    networks = [layer.feed_forward for layer in body.layers if layer.feed_forward != NO_FEED_FORWARD]
    experts = [network for network in networks if isinstance(network, ExpertFeedForward)]
    if not number or not looking or not networks:
        return ()
    return (Layer((scoring or looking)[-1], (experts or networks)[-1], joined=2),) * number


DEFAULT_CONTEXT = 1 << 20
"""Of models whose file and class name none: states alone, which no number of tokens outgrows."""


def _text(outer: Config) -> tuple[Config, object]:
    """The language model's part of a file, and its family."""
    for name in TEXT_PARTS:
        inner = outer.mapping(name)
        if inner:
            default = outer.mapping("parts").get(name, {}).get("model_type") or outer.keys.get("model_type")
            family = inner.get("model_type") or default
            part = configuration(outer.path, inner, str(family), f"{name}.")
            return _text(part) if part.mapping("text_config") else (part, family)
    return outer, outer.keys.get("model_type")


def _state_bytes(config: Config, body: Body) -> float:
    """Of a number of a recurrence's matrices: as the file says; else 4 for Kimi's, 2 for others (vLLM 0.33.0)."""
    for name in ("mamba_ssm_dtype", "mamba_ssm_cache_dtype"):
        said = config.keys.get(name)
        if said is not None:
            if not isinstance(said, str) or said not in DTYPES:
                raise config.wrong(name, f"one of {', '.join(DTYPES)}", said)
            return PRECISION_BYTES[DTYPES[said]]
    kinds = {layer.recurrence for layer in body.layers if isinstance(layer.recurrence, LinearAttention)}
    return 4.0 if any(kind.decay == "channel" for kind in kinds) else 2.0


def _tied(outer: Config, config: Config) -> bool:
    """Whether the output head is the embedding: a wrapper or its class decides where either says."""
    for each in (outer, config):
        if each.keys.get("tie_word_embeddings") is not None:
            return each.flag("tie_word_embeddings")
    return False


def read_hf_config(path: Path) -> ModelArchitecture:
    """A model from a `config.json` on disk, named after the folder that it is in.

    Args:
        path: the file, or the folder that holds it.

    Raises:
        FormatError: no such file, no JSON object, or a model that is not supported; see `architecture`.
    """
    file = path / "config.json" if path.is_dir() else path
    keys = _parsed(file)
    name = file.resolve().parent.name if file.name == "config.json" else file.stem
    beside = file.with_name("hf_quant_config.json")
    return architecture(keys, file, name, _parsed(beside) if beside.exists() else None, _image_processor(file))


def _image_processor(file: Path) -> Config | None:
    """What stands beside a configuration on the sizes of images, in a file of its own or in that of all processors."""
    own, all_together = file.with_name("preprocessor_config.json"), file.with_name("processor_config.json")
    if own.exists():
        return Config(own, _parsed(own))
    return Config(all_together, _parsed(all_together)).part("image_processor") if all_together.exists() else None


def _parsed(file: Path) -> dict[str, Any]:
    """The JSON object of a file."""
    lines = list(islice(read_lines(file), MOST_LINES + 1))
    if len(lines) > MOST_LINES:
        raise FormatError(file, f"is no configuration: more than {MOST_LINES:,} lines")
    try:
        keys = json.loads("\n".join(lines))
    except json.JSONDecodeError as error:
        text = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
        raise FormatError(file, error.msg, line=error.lineno, column=error.colno, text=text) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
        raise FormatError(file, f"is no configuration: {error}") from None
    if not isinstance(keys, dict):
        raise FormatError(file, "expected a JSON object of configuration keys")
    return keys
