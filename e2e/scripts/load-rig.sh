# What the load scripts share: production binaries, a chain that says it is Base,
# configurations and processes. Sourced, never run; whoever sources it has set -eu.
dir=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT

needs() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null || { echo "load needs $tool (Debian package of that name)" >&2; exit 1; }
  done
}

rss() { awk '/VmRSS/ {printf "%.0f", $2 / 1024}' "/proc/$1/status"; } # MB
hwm() { awk '/VmHWM/ {printf "%.0f", $2 / 1024}' "/proc/$1/status"; } # MB, the most there has been
# CPU of processes and of the children they have waited for, ms, at 100 ticks a second.
cpu() { for pid in "$@"; do cat "/proc/$pid/stat" 2>/dev/null || true; done | awk '{sum += $14 + $15 + $16 + $17} END {print sum * 10}'; }
until_ok() { for _ in $(seq 300); do if curl -fsS -o /dev/null "$1" 2>/dev/null; then return; fi; sleep 0.1; done; echo "$1 does not answer" >&2; tail -n 5 "$dir"/*.log >&2; exit 1; }

free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }

# build_production FILE: the binary that operators run. QUITTANCE_BINARY is one
# that is there already, to compare versions.
build_production() {
  if [ -n "${QUITTANCE_BINARY:-}" ]; then cp "$QUITTANCE_BINARY" "$1"; return; fi
  CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -tags nosandbox -o "$1" ./cmd/quittance
}

# start_base: sets $rpc to a node that says it is Base and has its contracts.
start_base() {
  if [ -n "${QUITTANCE_BASE_TEST:-}" ]; then cp "$QUITTANCE_BASE_TEST" "$dir/base.test"; else go test -c -o "$dir/base.test" ./cmd/quittance; fi
  mkfifo "$dir/base.in"
  QUITTANCE_HOLD_BASE=$dir/base.url "$dir/base.test" -test.run '^TestHoldBase$' -test.timeout 0 <"$dir/base.in" >"$dir/base.log" 2>&1 &
  pids+=($!)
  exec 9>"$dir/base.in" # the chain lives until this is closed
  for _ in $(seq 300); do [ -s "$dir/base.url" ] && break; sleep 0.1; done
  rpc=$(cat "$dir/base.url")
}

# configure FILE DSN: a production configuration on that chain, with an address of its
# own; `pin` finishes it.
configure() {
  local port; port=$(free_port)
  cat >"$1" <<YAML
base_url: http://127.0.0.1:$port
listen: 127.0.0.1:$port
database: "$2"
keys: [BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=]
log_level: warn
webhooks: {allow_loopback: true}
routing: {enabled: false}
limits: {page: 6000000/1000000, api_keys: 6000000/1000000}  # counted, and never reached
chains:
  base: {rpc: ["$rpc/a", "${rpc/127.0.0.1/localhost}/b"], confirmations: 2, start_block: 1}
YAML
}
address() { awk '/^listen:/ {print "http://" $2}' "$1"; }

# start_node CONFIG LOG: sets $node to a server's process, once it is ready.
start_node() {
  "$dir/production" --config "$1" serve >"$2" 2>&1 &
  node=$!
  pids+=("$node")
  until_ok "$(address "$1")/readyz"
}

# open_shop CONFIG: sets $key to the API key of a new merchant.
open_shop() {
  local id
  id=$("$dir/production" --config "$1" --json merchant create Load | jq -r .id)
  key=$("$dir/production" --config "$1" --json apikey create --merchant "$id" | jq -r .secret)
}
