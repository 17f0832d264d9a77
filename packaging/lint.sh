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
# upstream, or with main. On main itself, and in a clone that has nothing else, there is no such difference: the files of
# the latest commits stand in for it, as many commits as fit into 40 files, so that the time this takes is bounded.
changed_sources() {
    local upstream commit files more
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
        return
    fi
    files=$({ git diff --name-only --diff-filter=d HEAD -- '*.cpp'; git ls-files --others --exclude-standard -- '*.cpp'; } | sort -u)
    for commit in $(git rev-list -40 HEAD); do
        more=$({ echo "$files"; git show --name-only --diff-filter=d --format= "$commit" -- '*.cpp'; } | sort -u |
            while read -r f; do [ -f "$f" ] && echo "$f"; done || true)
        [ "$(echo "$more" | wc -l)" -le 40 ] || break
        files=$more
    done
    echo "${files:-$(echo "$more" | head -40)}" # a shallow clone has one commit that holds everything
}

# Files of another build than release (libFuzzer's, plain replays of real models) are not in its list of commands.
known_to_build() { python3 -c '
import json, os, sys
known = {os.path.relpath(entry["file"]) for entry in json.load(open("build/release/compile_commands.json"))}
for line in sys.stdin:
    if line.strip() in known: print(line.strip())'; }

# One file's findings, or nothing. g++'s own warning switches mean nothing to clang. Each file's report is printed whole,
# so those of two processes do not mix.
tidy_one() { # FILE
    local report status=0
    report=$(clang-tidy-14 -p build/release --quiet --extra-arg=-Wno-unknown-warning-option --warnings-as-errors='*' \
        "$1" 2>&1) || status=1
    report=$(echo "$report" | grep -vE '^[0-9]+ warnings? (generated|treated as)|^Suppressed |^Use -|^$') || true
    if [ $status = 0 ]; then echo "tidy: $1"; else printf '%s\ntidy: %s: FAILED\n' "$report" "$1"; fi
    return $status
}

check_tidy() {
    local files
    # Generated headers (moc) must be there before clang can read their includers.
    cmake --build build/release --target generated_sources >&2 || return 1
    files=$(changed_sources | known_to_build)
    if [ -z "$files" ]; then echo "tidy: no source file changed"; return; fi
    echo "tidy: $(echo "$files" | wc -l) files"
    export -f tidy_one
    echo "$files" | xargs -d '\n' -P "$(nproc)" -n 1 bash -c 'tidy_one "$1"' - || return 1
    echo "tidy: clean"
}

for check in "${checks[@]}"; do
    "check_$check" || { echo "lint: $check failed" >&2; exit 1; }
done
