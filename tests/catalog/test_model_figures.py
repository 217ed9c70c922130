"""Parameters and KV bytes of every model, against totals that others computed from the same config.json.

The integers are the safetensors totals of the Hugging Face hub, or sums over the config's shapes done elsewhere.
"""

from __future__ import annotations

import pytest

from infermodel import catalog
from infermodel.catalog import shapes

QWEN35_9B = (
    2 * 248320 * 4096 + 4096  # embedding, head and the last norm
    + 32 * (3 * 4096 * 12288 + 2 * 4096)  # networks, each with two norms
    + 8 * ((2 * 16 + 2 * 4 + 16) * 256 * 4096 + 2 * 256)  # attention with gates, and norms of heads
    + 24 * ((2 * 16 + 3 * 32) * 128 * 4096 + 2 * 32 * 4096 + 4 * 64 * 128 + 2 * 32 + 128)  # deltas, gates, convolutions
)  # fmt: skip

GEMMA4_31B = (
    262144 * 5376 + 5376  # embedding, which is the head, and the last norm
    + 60 * (3 * 5376 * 21504 + 4 * 5376)  # networks, each with four norms
    + 50 * ((2 * 32 + 2 * 16) * 256 * 5376 + 2 * 256)  # attention within a window, and norms of heads
    + 10 * ((2 * 32 + 4) * 512 * 5376 + 2 * 512)  # attention to all, whose keys are its values
)  # fmt: skip

# model: all parameters, parameters that one token touches, KV bytes of a token at 16 bit
OUTSIDE = {
    "llama-3.1-8b": (8030261248, 8030261248, 131072),
    "llama-3.1-70b": (70553706496, 70553706496, 327680),
    "llama-3.3-70b": (70553706496, 70553706496, 327680),
    "llama-3.1-405b": (405853388800, 405853388800, 516096),
    "mistral-large-2": (122610069504, 122610069504, 360448),
    "mixtral-8x7b": (46702792704, 12879925248, 131072),
    "qwen2.5-7b": (7615616512, 7615616512, 57344),
    "qwen2.5-32b": (32763876352, 32763876352, 262144),
    "qwen2.5-72b": (72706203648, 72706203648, 327680),
    "qwen3-8b": (8190735360, 8190735360, 147456),
    "qwen3-32b": (32762123264, 32762123264, 262144),
    "qwen3-30b-a3b": (30532122624, 3353032704, 98304),
    "qwen3-235b-a22b": (235093634560, 22190763520, 192512),
    "qwen3-coder-480b-a35b": (480154875392, 35474765312, 253952),
    "deepseek-v3": (671026419200, 37552297472, 70272),
    "deepseek-r1": (671026419200, 37552297472, 70272),
    "kimi-k2": (1026408232448, 32861500928, 70272),
    "gpt-oss-120b": (116829156672, 5711982912, 73728),
    "gpt-oss-20b": (20914757184, 4187440704, 49152),
    "llama-4-scout": (107769861120, 17172894720, 196608),
    "llama-4-maverick": (400711848960, 17184691200, 196608),
    "glm-4.5": (352797829024, 33632266144, 376832),
    "glm-4.6": (352797829024, 33632266144, 376832),
    # 2 x layers x KV heads x head size x 2 bytes, written out where no outside table has it
    "llama-2-7b": (6738415616, 6738415616, 2 * 32 * 32 * 128 * 2),
    "llama-2-70b": (68976648192, 68976648192, 2 * 80 * 8 * 128 * 2),
    "codellama-34b": (33743970304, 33743970304, 2 * 48 * 8 * 128 * 2),
    # 128256 x 2048 (tied) + 16 x (2 x 2048 x 2048 + 2 x 2048 x 512 + 3 x 2048 x 8192 + 2 x 2048) + 2048
    "llama-3.2-1b": (1235814400, 1235814400, 2 * 16 * 8 * 64 * 2),
    "yi-34b": (34388917248, 34388917248, 2 * 60 * 8 * 128 * 2),
    "mistral-7b": (7248023552, 7248023552, 2 * 32 * 8 * 128 * 2),
    "mistral-nemo-12b": (12247782400, 12247782400, 2 * 40 * 8 * 128 * 2),
    "qwen3-14b": (14768307200, 14768307200, 2 * 40 * 8 * 128 * 2),
    # active: all but 6 of the 8 experts of 3 x 6144 x 16384 in 56 layers: 140630071296 - 56 x 6 x 301989888
    "mixtral-8x22b": (140630071296, 140630071296 - 56 * 6 * 301989888, 2 * 56 * 8 * 128 * 2),
    "glm-4.7": (352797829024, 33632266144, 376832),
    "qwen3-235b-a22b-2507": (235093634560, 22190763520, 192512),
    # built by transformers 5.23.0 from the files, without towers; beside them the biases that balance experts, one an
    # expert of each such layer, which that counts among buffers
    "qwen3.5-397b-a17b": (396346350336, 17349040896, 2 * 15360),
    "qwen3.5-35b-a3b": (34660610688, 3454988928, 2 * 10240),
    "qwen3.5-27b": (26895998464, 26895998464, 2 * 32768),
    "qwen3.5-9b": (QWEN35_9B, QWEN35_9B, 2 * 8 * 2 * 4 * 256),
    "qwen3-next-80b-a3b": (79674391296, 3874929408, 2 * 12288),
    "minimax-m2.5": (228689748992 + 62 * 256, 11030537216 + 62 * 256, 2 * 126976),
    "kimi-k2.5": (1026408209408 + 60 * 384, 32861477888 + 60 * 384, 2 * 35136),
    "deepseek-v3.2": (671877929216 + 58 * 256, 38403807488 + 58 * 256, 2 * 42944),
    "deepseek-v4-flash": (284332230231, 13799622231, 2 * 3440),
    "glm-5.2": (743377000704 + 75 * 256, 41250511104 + 75 * 256, 2 * 47616),
    "gemma-3-27b": (27009346304, 27009346304, 2 * 253952),
    "gemma-4-26b-a4b": (25805933872 - 572792112, 3822530560, 2 * 112640),
    "gemma-4-31b": (GEMMA4_31B, GEMMA4_31B, 2 * 2 * (50 * 16 * 256 + 10 * 4 * 512)),
    "granite-4.0-h-small": (32207337984, 8803121664, 2 * 8192),
    "nemotron-3-super-120b-a12b": (120668687360 + 40 * 512, 12770216960 + 40 * 512, 2 * 4096),
    "nemotron-3-ultra-550b-a55b": (549308968960 + 48 * 512, 56058818560 + 48 * 512, 2 * 6144),
}
# model: bytes of the published weights, in GB, towers and all
OUTSIDE_GB = {"minimax-m2.5": 230.0, "kimi-k2.5": 594.5, "deepseek-v3.2": 673.9}
# model: numbers that a sequence keeps whatever its length, as transformers 5.23.0 keeps them: the convolution's last
# 4 inputs, where vLLM keeps 3
STATES = {
    "qwen3.5-397b-a17b": 49397760 - 45 * (2 * 16 + 64) * 128,
    "qwen3.5-27b": 39714816 - 48 * (2 * 16 + 48) * 128,
    "qwen3-next-80b-a3b": 20054016 - 36 * (2 * 16 + 32) * 128,
    "granite-4.0-h-small": 38965248 - 36 * (8192 + 2 * 128),
    "nemotron-3-super-120b-a12b": 43581440 - 40 * (8192 + 2 * 8 * 128),
}


def test_every_model_is_checked() -> None:
    assert set(OUTSIDE) == set(catalog.names("models"))


@pytest.mark.parametrize("name", OUTSIDE)
def test_parameters_and_kv_agree_with_others_sums(name: str) -> None:
    model = catalog.load_model(name)
    assert (model.parameters, model.active_parameters, model.kv_bytes_per_token(2)) == OUTSIDE[name]


@pytest.mark.parametrize("name", OUTSIDE)
def test_parameters_agree_with_the_published_count(name: str) -> None:
    model = catalog.load_model(name)
    assert model.published_parameters is not None
    assert model.parameters == pytest.approx(model.published_parameters, rel=0.005)


@pytest.mark.parametrize("name", OUTSIDE_GB)
def test_bytes_agree_with_those_counted_by_module(name: str) -> None:
    model = catalog.load_model(name)
    assert model.weights_bytes == pytest.approx(OUTSIDE_GB[name] * 1e9, rel=0.001)


@pytest.mark.parametrize("name", STATES)
def test_states_agree_with_those_of_the_class(name: str) -> None:
    assert catalog.load_model(name).state_elements == STATES[name]


def test_layers_that_draft_weigh_what_is_published_with_them() -> None:
    # on the hub DeepSeek R1 has 685e9 parameters: with the layer, its copies of embedding and head of 129280 x 7168,
    # and a scale for each 128 x 128
    r1, glm = catalog.load_model("deepseek-r1"), catalog.load_model("glm-4.6")
    assert round((r1.parameters + r1.draft_parameters + 2 * 129280 * 7168) * (1 + 1 / 128**2) / 1e9) == 685
    # GLM-4.6 has 357e9 or 358e9 there, by whether the copies of 151552 x 5120 are counted
    assert round((glm.parameters + glm.draft_parameters) / 1e9) == 357
    assert round((glm.parameters + glm.draft_parameters + 2 * 151552 * 5120) / 1e9) == 358
    # a layer like the last, a projection of two vectors of 7168 with their norms, and a norm before the head
    layer = r1.layers[-1]
    assert r1.draft_parameters == layer.parameters(7168) + 2 * 7168 * 7168 + 3 * 7168
    assert catalog.load_model("minimax-m2.5").drafts == ()


def test_windows() -> None:
    # every other layer of gpt-oss keeps 128 tokens, three of four of Llama 4 a chunk of 8,192; the others see all
    assert catalog.load_model("gpt-oss-120b").windows == (128,)
    assert catalog.load_model("llama-4-scout").windows == (8192,)
    assert catalog.load_model("deepseek-v3").windows == ()
    windowed = [layer.attention.window is not None for layer in catalog.load_model("gpt-oss-20b").layers]
    assert windowed == [True, False] * 12
    windowed = [layer.attention.window is not None for layer in catalog.load_model("llama-4-maverick").layers]
    assert windowed == [True, True, True, False] * 12


def test_a_long_context_of_a_windowed_model_costs_half() -> None:
    # gpt-oss-120b, bf16: 18 of 36 layers keep 2 x 8 x 64 numbers of every token = 36,864 bytes a token
    model = catalog.load_model("gpt-oss-120b")
    unwindowed = sum(
        layer.attention.kv_elements * count for layer, count in model.distinct_layers if layer.attention.window is None
    )
    assert unwindowed * 2 == 36864


def test_only_some_layers_of_maverick_have_experts() -> None:
    # 24 layers with 128 experts of 3 x 5120 x 8192 = 386.5e9 of 400.7e9 parameters
    model = catalog.load_model("llama-4-maverick")
    assert sum(hasattr(layer.feed_forward, "experts") for layer in model.layers) == 24
    assert len(model.layers) == 48


SHAPE = {"kind": "datasheet", "source": "config.json", "date": "2026"}
LAYER = {
    "attention": {"kind": "grouped", "heads": 8, "kv_heads": 2, "head_dim": 64},
    "feed_forward": {"kind": "dense", "intermediate": 2048},
}
MODEL = {"title": "A model", "shape": SHAPE, "hidden": 512, "vocabulary": 1000, "max_context": 4096, "layers": [LAYER]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hiden": 1}, "here: unknown key 'hiden'; did you mean 'hidden'?"),
        ({"hidden": "wide"}, "here: hidden: 'wide' does not start with a number"),
        ({"hidden": "512"}, "here: hidden: '512' is not a positive whole number"),
        ({"layers": 3}, "here: layers: expected a list of layers"),
        ({"layers": [LAYER | {"count": 0}]}, "here: layers[0].count: 0 is not a positive whole number"),
        (
            {"layers": [{"repeat": 2, "of": [LAYER, {}]}]},
            "here: layers[0].of[1]: none of attention, recurrence, feed_forward",
        ),
        (
            {"layers": [LAYER | {"feed_forward": {"kind": "dense"}}]},
            "here: layers[0].feed_forward: intermediate missing",
        ),
        (
            {"layers": [LAYER | {"feed_forward": {"kind": "dense", "intermediate": "2k"}}]},
            "here: layers[0].feed_forward: intermediate: '2k' is neither a whole number nor true or false",
        ),
        ({"default_precision": "fp5"}, "here: default_precision 'fp5' is none of fp32, bf16"),
    ],
)
def test_a_wrong_model_says_what_is_wrong(change: dict[str, object], message: str) -> None:
    with pytest.raises(catalog.CatalogError) as error:
        shapes.architecture("mine", MODEL | change, "here")
    assert str(error.value).startswith(message)
