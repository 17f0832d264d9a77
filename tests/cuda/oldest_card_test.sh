#!/usr/bin/env bash
# Every kernel compiles for the oldest card that packages carry code for, compute capability 7.5: a developer's build has
# only the card's own, and what newer cards alone have slips in unseen. To PTX, which is where the language ends.
set -euo pipefail
cd "${ALCOVE_SOURCE:-$(dirname "${BASH_SOURCE[0]}")/../..}"
nvcc=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)
compile() { "$1" -I. --ptx -arch=compute_75 --expt-relaxed-constexpr -std=c++20 "$2" -o /dev/null || { echo "FAILED: $2"; return 1; }; }
export -f compile
find kernels -name '*.cu' -print0 | xargs -0 -P 2 -I{} bash -c 'compile "$1" "$2"' _ "$nvcc" {}
echo "$(find kernels -name '*.cu' | wc -l) files"
