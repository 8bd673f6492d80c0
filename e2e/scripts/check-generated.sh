#!/usr/bin/env bash
# Regenerates everything generated and fails with the names of the files that
# come out different from the tree: stale, missing, or edited by hand. Generated
# is what carries Go's line "Code generated ..., DO NOT EDIT.", and what cannot.
set -euo pipefail
cd "$(dirname "$0")/../.."

snapshot() {
  {
    git ls-files -co --exclude-standard -- static/dist internal/sandbox/contracts/artifacts.json web/apidoc/openapi.json
    git grep -lI --untracked -E '^(//|/\*) Code generated ' -- . || true
  } | sort -u | while IFS= read -r file; do
    if [ -f "$file" ]; then sha256sum "$file"; fi
  done
}

before=$(snapshot)
make --no-print-directory -s generate
after=$(snapshot)

stale=$({ diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") || true; } | sed -nE 's/^[<>] [0-9a-f]{64}  //p' | sort -u)
if [ -n "$stale" ]; then
  echo "generated files were not up to date (now regenerated; commit them):" >&2
  while IFS= read -r file; do echo "  $file" >&2; done <<<"$stale"
  exit 1
fi
echo "$(printf '%s\n' "$after" | grep -c .) generated files are up to date"
