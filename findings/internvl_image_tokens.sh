#!/usr/bin/env bash
# transformers 5.23.0: to InternVL an image of 640 x 480 is more tokens than one of 3,000 x 2,000.
#
# Expected: more pixels, more tokens, up to a limit; or the same for all.
# Instead:  the grid of tiles (of 448 x 448, at most 12) is the one whose sides have the ratio nearest to the image's, and
#           how large the image is decides only between grids of equal ratio. 640 x 480 is 4 x 3 tiles and the whole, each
#           256 tokens; 3,000 x 2,000 is 3 x 2 and the whole; the first is enlarged eleven times.
# Output:   640x480 13 pieces, 3328 tokens | 1024x1024 10 pieces, 2560 tokens | 3000x2000 7 pieces, 1792 tokens
# Matters:  who shrinks images to save tokens, or sizes a server by their pixels, may get the opposite.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 pillow==12.0.0
"$dir/venv/bin/python" - <<'EOF'
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

processor = GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}, crop_to_patches=True)
sizes = (640, 480), (1024, 1024), (3000, 2000)
pieces = {(width, height): processor.get_number_of_image_patches(height, width) for width, height in sizes}
print(" | ".join(f"{w}x{h} {count} pieces, {256 * count} tokens" for (w, h), count in pieces.items()))
assert list(pieces.values()) == [13, 10, 7]
EOF
echo "as stated"
