#!/usr/bin/env bash
# Measures the server under load and at rest, generator and server on the same
# machine, and prints one line per figure. Needs wrk, jq and node.
# SECONDS_EACH=8 ROUNDS=3 make load
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${SECONDS_EACH:-8} rounds=${ROUNDS:-3}
for tool in wrk jq node curl; do
  command -v "$tool" >/dev/null || { echo "load needs $tool (Debian package of that name)" >&2; exit 1; }
done

dir=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap cleanup EXIT

go build -trimpath -o "$dir/quittance" ./cmd/quittance
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -tags nosandbox -o "$dir/production" ./cmd/quittance

rss() { awk '/VmRSS/ {printf "%.0f MB", $2 / 1024}' "/proc/$1/status"; }
cpu() { awk '{print ($14 + $15) * 10}' "/proc/$1/stat"; } # ms, at 100 ticks a second
until_ok() { for _ in $(seq 200); do if curl -fsS -o /dev/null "$1" 2>/dev/null; then return; fi; sleep 0.1; done; echo "$1 does not answer" >&2; exit 1; }

started=$(date +%s%N)
"$dir/quittance" demo --json --listen 127.0.0.1:0 >"$dir/demo.json" 2>"$dir/demo.err" &
pids+=($!)
demo=$!
for _ in $(seq 300); do [ -s "$dir/demo.json" ] && break; sleep 0.02; done
echo "demo ready after $(( ($(date +%s%N) - started) / 1000000 )) ms, resident $(rss "$demo")"
base=$(jq -r .baseUrl "$dir/demo.json") key=$(jq -r .merchant.apiKey "$dir/demo.json")
token=$(jq -r .securePaymentUrl "$dir/demo.json"); token=${token##*=}

cat >"$dir/create.lua" <<LUA
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["x-api-key"] = "$key"
local n, run = 0, ""
function init() math.randomseed(os.time() * 1000 + (tonumber(tostring({}):match("0x(%x+)"), 16) or 0) % 1000); run = tostring(math.random(1, 1e12)) end
function request()
  n = n + 1
  wrk.headers["Idempotency-Key"] = run .. "-" .. n
  return wrk.format(nil, "/v2/secure-payments", nil, '{"requests":[{"payee":"0x742d35Cc6634C0532925a3b844Bc454e4438f44e","paymentCurrency":"USDC-base","amount":"12.50"}],"reference":"ORDER-' .. n .. '"}')
end
LUA

measure() { # NAME URL [wrk options]
  local name=$1 url=$2; shift 2
  wrk -t1 -c32 -d2s "$@" "$url" >/dev/null
  for round in $(seq "$rounds"); do
    local before after out rate
    before=$(cpu "$demo")
    out=$(wrk -t1 -c32 -d"${seconds}s" --latency "$@" "$url")
    after=$(cpu "$demo")
    rate=$(awk '/Requests\/sec/ {print $2}' <<<"$out")
    awk -v name="$name" -v round="$round" -v rate="$rate" -v ms=$((after - before)) -v s="$seconds" \
      -v p50="$(awk '$1 == "50%" {print $2}' <<<"$out")" -v p99="$(awk '$1 == "99%" {print $2}' <<<"$out")" \
      -v bad="$(awk '/Non-2xx/ {print $NF}' <<<"$out")" \
      'BEGIN {printf "%-34s round %d: %7.0f a second, p50 %s, p99 %s, server CPU %.3f ms each%s\n", name, round, rate, p50, p99, ms / (rate * s), bad ? ", " bad " NOT 2xx" : ""}'
  done
}

measure 'page with live data' "$base/?token=$token"
measure 'page, compressed' "$base/?token=$token" -H 'Accept-Encoding: gzip'
measure 'payment status (page)' "$base/checkout/$token/status"
measure 'payment status (API, with key)' "$base/v2/secure-payments/$token" -H "x-api-key: $key"
measure 'create (idempotent, durable)' "$base/" -s "$dir/create.lua"
echo "demo after load: resident $(rss "$demo")"

# The production server at rest, following a chain.
node e2e/scripts/rpc-as.mjs 18545 "$(jq -r '.chains[0].rpcUrl' "$dir/demo.json")" 8453 &
pids+=($!)
cat >"$dir/serve.yaml" <<YAML
base_url: http://127.0.0.1:18402
listen: 127.0.0.1:18402
database: sqlite:$dir/serve.db
keys: [$("$dir/production" keygen)]
routing: {enabled: false}
chains:
  base:
    rpc: ["http://127.0.0.1:18545"]
    pins: {ERC20FeeProxy: "0x$(printf '1%.0s' {1..64})", EthereumFeeProxy: "0x$(printf '2%.0s' {1..64})"}
YAML
"$dir/production" --config "$dir/serve.yaml" serve 2>"$dir/serve.err" &
pids+=($!)
serve=$!
until_ok http://127.0.0.1:18402/readyz
sleep 15
echo "serve idle, following a chain: resident $(rss "$serve"), binary $(stat -c %s "$dir/production" | awk '{printf "%.1f MB", $1 / 1e6}')"
