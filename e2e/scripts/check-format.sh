#!/usr/bin/env bash
# Names the Go files that gofmt would change.
set -euo pipefail
cd "$(dirname "$0")/../.."

unformatted=$(git ls-files -co --exclude-standard -z -- '*.go' | xargs -0 -r ls -d 2>/dev/null | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
  echo "gofmt would change:" >&2
  while IFS= read -r file; do echo "  $file" >&2; done <<<"$unformatted"
  exit 1
fi
