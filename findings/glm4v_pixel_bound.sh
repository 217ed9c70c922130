#!/usr/bin/env bash
# transformers 5.23.0: the bound on an image's pixels of GLM-4.5V counts each pixel twice.
#
# Expected: `longest_edge` of the image processor, 11,760,000 (15,000 squares of 28 x 28), bounds the pixels of an image, as
#           the same key of Qwen2-VL does.
# Instead:  the rule is that of films: an image stands for two frames, and height x width x 2 is held against the bound. An
#           image of 7.8 million pixels is made smaller; one of Qwen2-VL under the same bound is not.
# Output:   2800x2800: GLM 86 x 86 squares of 28 pixels, Qwen2-VL 100 x 100
# Matters:  tokens of large images, and the room kept for the largest, are half of what the key says: 7,500, not 15,000.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 pillow==12.0.0
"$dir/venv/bin/python" - <<'EOF'
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

bounds = {"shortest_edge": 112 * 112, "longest_edge": 15000 * 28 * 28}
sides = []
for build in (Glm4vImageProcessorPil, Qwen2VLImageProcessorPil):
    patches = build(size=bounds).get_number_of_image_patches(2800, 2800, {})
    sides.append(round((patches / 4) ** 0.5))
print(f"2800x2800: GLM {sides[0]} x {sides[0]} squares of 28 pixels, Qwen2-VL {sides[1]} x {sides[1]}")
assert Glm4vImageProcessorPil().size["longest_edge"] == bounds["longest_edge"]
assert sides == [86, 100]
EOF
echo "as stated"
