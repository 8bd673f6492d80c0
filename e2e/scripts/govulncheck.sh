#!/usr/bin/env bash
# Looks for known vulnerabilities in what is called. Where the vulnerability
# data cannot be reached (a closed network), says so and goes on: the one check
# that may be left out.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Newer versions asked for a module that could not be had when this was pinned.
tool=golang.org/x/vuln/cmd/govulncheck@v1.8.0

out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Loading the whole tree takes a minute, so one small package finds out first
# whether there is any data.
if ! go run "$tool" ./internal/fault >"$out" 2>&1 && grep -q 'fetching vulnerabilities' "$out"; then
  echo "skipped: vulnerability data cannot be reached"
  exit 0
fi
go run "$tool" ./...
