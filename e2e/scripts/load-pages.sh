#!/usr/bin/env bash
# Measures what idle pages cost a production server that follows them by
# server-sent events: memory, and CPU while nothing happens.
# PAGES='1000 5000 20000' EACH=1 make load-pages; EACH is how many pages follow one payment.
# With QUITTANCE_TEST_POSTGRES set (with-postgres.sh) the database is that one.
set -euo pipefail
cd "$(dirname "$0")/../.."
. e2e/scripts/load-rig.sh
needs jq node curl
pages=${PAGES:-1000 5000 19900} each=${EACH:-1} idle=${IDLE:-150}
# A page is a socket on both sides.
ulimit -n 65536 2>/dev/null || echo "a process may have $(ulimit -n) sockets and files here, so many pages are the most" >&2

export QUITTANCE_PAGES_OPEN=100000 QUITTANCE_PAGES_OPEN_PER_ADDRESS=100000 # all come from a few addresses
export GOMEMLIMIT=${GOMEMLIMIT:-900MiB} # as docs/deploy has it
build_production "$dir/production"
start_base
configure "$dir/serve.yaml" "${QUITTANCE_TEST_POSTGRES:-sqlite:$dir/serve.db}"
"$dir/production" --config "$dir/serve.yaml" doctor --pin >/dev/null
open_shop "$dir/serve.yaml"
start_node "$dir/serve.yaml" "$dir/serve.log"
most=$(printf '%s\n' $pages | sort -n | tail -n 1)
node e2e/scripts/load-pages.mjs create "$(address "$dir/serve.yaml")" "$key" $(( (most + each - 1) / each )) >"$dir/tokens"

for n in 0 $pages; do
  # A fresh server: what an earlier number left behind is not counted.
  kill "$node" && wait "$node" || true
  start_node "$dir/serve.yaml" "$dir/serve.log"
  mkfifo "$dir/said.$n" "$dir/end.$n"
  node e2e/scripts/load-pages.mjs hold "$(address "$dir/serve.yaml")" "$n" "$each" "$dir/tokens" <"$dir/end.$n" >"$dir/said.$n" &
  client=$!
  exec 8>"$dir/end.$n" 7<"$dir/said.$n"
  read -r said <&7
  at_once=$(rss "$node")
  sleep "$idle"
  before=$(cpu "$node")
  sleep "$idle"
  after=$(cpu "$node")
  echo "$n pages, $each on a payment: resident $at_once MB at once, $(rss "$node") MB after $((2 * idle)) s, at most $(hwm "$node") MB;" \
    "CPU while idle $(( (after - before) / idle )) ms a second ($said)"
  exec 8>&-
  cat <&7
  exec 7<&-
  wait "$client"
done
