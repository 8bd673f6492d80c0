#!/usr/bin/env bash
# Installs what the tests need and says so: Debian packages as root, a list of
# what to install otherwise; then the npm packages of each package.json.
set -euo pipefail
cd "$(dirname "$0")/../.."

missing=()
need() { # need PACKAGE... : remember the Debian packages that bring something absent
  missing+=("$@")
}

node_major() { node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/'; }

command -v go >/dev/null || { echo "Go is needed first: see https://go.dev/dl/" >&2; exit 1; }
command -v git >/dev/null || need git
# The race detector links C.
command -v "${CC:-cc}" >/dev/null || command -v gcc >/dev/null || need gcc libc6-dev
command -v node >/dev/null || need nodejs
command -v npm >/dev/null || need npm
[ -x /usr/bin/chromium ] || need chromium
postgres_dirs=(/usr/lib/postgresql/*/bin)
[ -x "${postgres_dirs[0]}/initdb" ] || need postgresql

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    {
      echo "The tests need what these Debian packages bring: ${missing[*]}"
      echo "Install them and run this again, on Debian: sudo apt-get install ${missing[*]}"
      echo "Chromium is expected at /usr/bin/chromium, PostgreSQL at /usr/lib/postgresql/*/bin."
    } >&2
    exit 1
  fi
  echo "installing Debian packages: ${missing[*]}"
  log=$(mktemp)
  # Run level 1 keeps the database package from starting a server of its own.
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
fi

major=$(node_major)
if [ "${major:-0}" -lt 20 ]; then
  echo "Node.js 20 or newer is needed, this is $(node --version): see https://nodejs.org/" >&2
  exit 1
fi

# npm ci starts from nothing, so it is left out while its lock file is the one
# already installed.
for dir in static/ts static/kit internal/sandbox/contracts e2e e2e/official e2e/safe e2e/userop; do
  stamp=$dir/node_modules/.installed-from
  if cmp -s "$dir/package-lock.json" "$stamp"; then continue; fi
  echo "installing npm packages: $dir"
  log=$(mktemp)
  if ! npm --prefix "$dir" ci --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -f "$log"
    exit 1
  fi
  rm -f "$log"
  cp "$dir/package-lock.json" "$stamp"
done

echo "$(go version | cut -d' ' -f3), node $(node --version), $(/usr/bin/chromium --version 2>/dev/null | cut -d' ' -f1-2), PostgreSQL in $(printf '%s\n' /usr/lib/postgresql/*/bin | tail -n 1)"
