#!/usr/bin/env bash
# ./dev lint: formatting, clang-tidy on what changed, direction of includes. `./dev lint --help` explains the options.
set -euo pipefail
base= all= checks=()
while [ $# -gt 0 ]; do
    case $1 in
        --base) base=${2:?--base needs a commit}; shift 2 ;;
        --all) all=1; shift ;;
        format | tidy | layers) checks+=("$1"); shift ;;
        *) echo "lint: unknown option '$1'; ./dev lint --help explains" >&2; exit 2 ;;
    esac
done
[ ${#checks[@]} -gt 0 ] || checks=(format layers tidy)

sources() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done; }

check_format() {
    sources '*.cpp' '*.h' '*.cu' '*.cuh' | xargs -d '\n' clang-format-14 --dry-run --Werror || return 1
    echo "format: $(sources '*.cpp' '*.h' '*.cu' '*.cuh' | wc -l) files are as .clang-format wants them"
}

check_layers() { python3 tests/layers/layers.py .; }

# The sources that clang-tidy reads, one a line. A branch is judged by what it changes against the merge base with its
# upstream, or with main. On main itself, and in a clone that has nothing else, there is no such difference: the most
# recently changed files of the last 30 commits stand in for it, 40 at most, so that the time this takes is bounded.
changed_sources() {
    local upstream
    if [ -n "$all" ]; then sources '*.cpp'; return; fi
    if [ -z "$base" ]; then
        for upstream in '@{upstream}' origin/main main; do
            base=$(git merge-base HEAD "$upstream" 2>/dev/null) || continue
            [ "$base" != "$(git rev-parse HEAD)" ] && break
            base=
        done
    fi
    if [ -n "$base" ]; then
        { git diff --name-only --diff-filter=d "$base" -- '*.cpp'; git ls-files --others --exclude-standard -- '*.cpp'; } | sort -u
    else
        git log -30 --name-only --diff-filter=d --format= -- '*.cpp' |
            awk 'NF && !seen[$0]++' | while read -r f; do [ -f "$f" ] && echo "$f"; done | head -40
    fi
}

# Files of another build than release (libFuzzer's, plain replays of real models) are not in its list of commands.
known_to_build() { python3 -c '
import json, os, sys
known = {os.path.relpath(entry["file"]) for entry in json.load(open("build/release/compile_commands.json"))}
for line in sys.stdin:
    if line.strip() in known: print(line.strip())'; }

check_tidy() {
    local files
    # Generated headers (moc) must be there before clang can read their includers.
    cmake --build build/release --target generated_sources >&2 || return 1
    files=$(changed_sources | known_to_build)
    if [ -z "$files" ]; then echo "tidy: no source file changed"; return; fi
    # g++'s own warning switches mean nothing to clang.
    local report status=0
    report=$(echo "$files" | xargs -d '\n' -P "$(nproc)" -n 1 clang-tidy-14 -p build/release --quiet \
        --extra-arg=-Wno-unknown-warning-option --warnings-as-errors='*' 2>&1) || status=1
    echo "$report" | grep -vE '^[0-9]+ warnings? (generated|treated as)|^Suppressed |^Use -|^$' || true
    [ $status = 0 ] || return 1
    echo "tidy: $(echo "$files" | wc -l) changed files are clean"
}

for check in "${checks[@]}"; do
    if [ "$check" = tidy ] && [ ! -f build/release/compile_commands.json ]; then ./dev build >&2; fi
    "check_$check" || { echo "lint: $check failed" >&2; exit 1; }
done
