#!/usr/bin/env bash
# gguf 0.19.0: `general.file_type` is not a tensor type, though both are small numbers with the same names.
#
# Expected: one numbering; 15 in the file's header means what 15 means in its table of tensors.
# Instead:  two enumerations. 15 is Q4_K_M for the file and Q8_K for a tensor; 7 is Q8_0 and Q5_1; 32 is BF16 and no
#           tensor type at all. They agree on F32, F16, Q4_0 and Q4_1 and drift apart after that, so a reader tried on
#           16-bit files alone looks right.
# Output:   file 15: MOSTLY_Q4_K_M, 4.5 bits a weight in most tensors; as a tensor type Q8_K, 9.125 bits
# Matters:  who sizes memory from the header with the tensor table doubles the weights of the commonest file there is.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check gguf==0.19.0
"$dir/venv/bin/python" - "$dir/a.gguf" <<'EOF'
import sys

import gguf
from gguf import GGMLQuantizationType as Tensor, LlamaFileType as File

writer = gguf.GGUFWriter(sys.argv[1], "llama")
writer.add_file_type(File.MOSTLY_Q4_K_M)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.close()
number = gguf.GGUFReader(sys.argv[1]).fields["general.file_type"].contents()


def bits(kind):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    return size * 8 / elements


print(f"file {number}: {File(number).name}, {bits(Tensor.Q4_K)} bits a weight in most tensors; "
      f"as a tensor type {Tensor(number).name}, {bits(Tensor(number))} bits")
assert (number, Tensor(number), bits(Tensor.Q4_K), bits(Tensor.Q8_K)) == (15, Tensor.Q8_K, 4.5, 9.125)
assert Tensor(File.MOSTLY_Q8_0) is Tensor.Q5_1
assert File.MOSTLY_BF16 not in [int(kind) for kind in Tensor]
assert all(Tensor[f.name.removeprefix("MOSTLY_").removeprefix("ALL_")] == f for f in list(File)[:4])
EOF
echo "as stated"
