"""What a language model is made of: layers of attention, recurrence and feed-forward networks, with their counts."""

from infermodel.architecture.attention import (
    NO_ATTENTION,
    Attention,
    CompressedAttention,
    GroupedAttention,
    Indexer,
    LatentAttention,
    Span,
)
from infermodel.architecture.feed_forward import (
    NO_FEED_FORWARD,
    DenseFeedForward,
    ExpertFeedForward,
    FeedForward,
)
from infermodel.architecture.images import ImageEncoder, Seen
from infermodel.architecture.layer import Layer
from infermodel.architecture.model import ModelArchitecture, Tower
from infermodel.architecture.precision import PRECISION_BYTES
from infermodel.architecture.recurrence import LinearAttention, Mamba, Mamba2, Recurrence, ShortConvolution

__all__ = [
    "NO_ATTENTION",
    "NO_FEED_FORWARD",
    "PRECISION_BYTES",
    "Attention",
    "CompressedAttention",
    "DenseFeedForward",
    "ExpertFeedForward",
    "FeedForward",
    "GroupedAttention",
    "ImageEncoder",
    "Indexer",
    "LatentAttention",
    "Layer",
    "LinearAttention",
    "Mamba",
    "Mamba2",
    "ModelArchitecture",
    "Recurrence",
    "Seen",
    "ShortConvolution",
    "Span",
    "Tower",
]
