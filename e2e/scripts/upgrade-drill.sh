#!/usr/bin/env bash
# upgrade-drill.sh REVISION: builds the server of an older revision and the one of this
# tree, runs two nodes of the older one on a PostgreSQL of their own, and replaces them
# one by one while payers ask all the time. Says how many requests there were, and fails
# if one of them did.
set -euo pipefail
cd "$(dirname "$0")/../.."
from=${1:?which revision to come from, such as HEAD~1}
from=$(git rev-parse --verify "$from^{commit}")

dir=$(mktemp -d "${TMPDIR:-/tmp}/quittance-drill.XXXXXX")
clean() {
  git worktree remove --force "$dir/old" 2>/dev/null || true
  rm -rf "$dir"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

git worktree add --quiet --detach "$dir/old" "$from"
(cd "$dir/old" && CGO_ENABLED=0 go build -tags nosandbox -o "$dir/before" ./cmd/quittance)
CGO_ENABLED=0 go build -tags nosandbox -o "$dir/after" ./cmd/quittance
# What says no goodbye is taken out by whoever sends it payers.
out=
git grep -q 'yaml:"drain"' "$from" -- internal/config || out=1

echo "from $(git log -1 --format='%h %s' "$from")"
QUITTANCE_DRILL_OLD="$dir/before" QUITTANCE_DRILL_NEW="$dir/after" QUITTANCE_DRILL_TAKE_OUT=$out \
  bash e2e/scripts/with-postgres.sh go test ./cmd/quittance -run '^TestUpgradeDrill$' -count=1 -v | grep -v '^=== '
