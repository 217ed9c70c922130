#!/usr/bin/env bash
# hf-mem 0.5.6: a model whose weights are 8-bit is taken to have an 8-bit KV cache.
#
# Expected: "auto" is the model's own type as in the engines: 16-bit keys and values unless the cache itself is quantised.
# Instead:  the format of the weights' quantisation (`fmt: e4m3`) becomes the cache's. The same checkpoint under
#           compressed-tensors, whose weights are as small, keeps its 16 bits.
# Output:   cache of 8-bit weights: F8_E4M3 by method fp8, BF16 by method compressed-tensors
# Matters:  vLLM and SGLang keep the cache of most such models at 16 bit unless told otherwise, so half as many fit.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check hf-mem==0.5.6
"$dir/venv/bin/python" - <<'EOF'
import warnings

from hf_mem.safetensors import parse_safetensors_metadata, resolve_kv_cache_dtype

warnings.simplefilter("ignore")  # it says for one of the two methods that the cache's type is the model's
weights = parse_safetensors_metadata({"Transformer": {"q_proj.weight": {"dtype": "F8_E4M3", "shape": [4096, 4096]}}})


def cache(quantization):
    config = {"torch_dtype": "bfloat16", "quantization_config": quantization}
    return resolve_kv_cache_dtype(config, kv_cache_dtype="auto", metadata=weights, model_id="example")


native = cache({"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]})
compressed = cache({"quant_method": "compressed-tensors", "format": "float-quantized"})
print(f"cache of 8-bit weights: {native} by method fp8, {compressed} by method compressed-tensors")
assert (native, compressed) == ("F8_E4M3", "BF16")
EOF
echo "as stated"
