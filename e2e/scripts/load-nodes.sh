#!/usr/bin/env bash
# Measures nodes on one durable PostgreSQL beside one node on SQLite, all of it on this
# machine: requests a second, and the CPU that each takes of the servers and of PostgreSQL
# together. The rounds of both alternate; of the CPU the least is what to compare, for
# whatever else runs here only adds to it.
# Each of several nodes is told its share of the cores, as docs/deploying.md has it.
# NODES=3 CONNECTIONS=32 (a node) PROCS=1 WARM=6 SECONDS_EACH=6 ROUNDS=3 PAYMENTS=10000 make load
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${QUITTANCE_TEST_POSTGRES:-}" ]; then
  QUITTANCE_POSTGRES_DURABLE=yes exec bash e2e/scripts/with-postgres.sh bash "$0"
fi
. e2e/scripts/load-rig.sh
needs wrk jq node curl psql
nodes=${NODES:-3} seconds=${SECONDS_EACH:-6} rounds=${ROUNDS:-3} payments=${PAYMENTS:-10000}
connections=${CONNECTIONS:-32} cores=$(nproc) warm=${WARM:-6}
procs=${PROCS:-$((nodes < cores ? cores / nodes : 1))}

build_production "$dir/production"
start_base
postmaster=$(psql "$QUITTANCE_TEST_POSTGRES" -Atc "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)")
psql "$QUITTANCE_TEST_POSTGRES" -AtF ' ' -c "SELECT 'PostgreSQL ' || current_setting('server_version') || ', fsync ' || current_setting('fsync') || ', synchronous_commit ' || current_setting('synchronous_commit')"

# any TOKENS-FILE BEFORE [AFTER]: a script for wrk that asks for any of the payments, each as
# often as chance has it.
any() {
  cat <<LUA
local tokens = {}
for token in io.lines("$1") do tokens[#tokens + 1] = token end
function init() math.randomseed(os.time() * 1000 + (tonumber(tostring({}):match("0x(%x+)"), 16) or 0) % 1000) end
function request() return wrk.format(nil, "$2" .. tokens[math.random(#tokens)] .. "${3:-}") end
LUA
}

# shop NAME NODES DSN: nodes that share a database, its merchant and its payments.
declare -A of_shop keys tokens
shop() {
  local name=$1 n=$2 dsn=$3 i
  for i in $(seq "$n"); do
    configure "$dir/$name$i.yaml" "$dsn"
    [ "$i" -gt 1 ] || "$dir/production" --config "$dir/${name}1.yaml" doctor --pin >/dev/null
    start_node "$dir/$name$i.yaml" "$dir/$name$i.log"
    of_shop[$name]+=" $node"
  done
  open_shop "$dir/${name}1.yaml"
  keys[$name]=$key
  node e2e/scripts/load-pages.mjs create "$(address "$dir/${name}1.yaml")" "$key" "$payments" >"$dir/$name.tokens"
  tokens[$name]=$(head -n 1 "$dir/$name.tokens")
  any "$dir/$name.tokens" '/?token=' >"$dir/$name.pages.lua"
  any "$dir/$name.tokens" '/checkout/' '/status' >"$dir/$name.statuses.lua"
  cat >"$dir/$name.lua" <<LUA
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
}
shop one 1 "sqlite:$dir/one.db"
GOMAXPROCS=$procs shop many "$nodes" "$QUITTANCE_TEST_POSTGRES"

# shared NAME: the CPU of a shop's servers and database so far, ms.
shared() {
  if [ "$1" = one ]; then cpu ${of_shop[one]}; else cpu ${of_shop[many]} "$postmaster" $(pgrep -P "$postmaster"); fi
}

# load NAME SECONDS PATH [wrk options]: as many connections to the one as to the many.
load() {
  local name=$1 s=$2 path=$3 config pids=() c=$connections; shift 3
  [ "$name" != one ] || c=$((connections * nodes))
  rm -f "$dir/$name".*.wrk
  for config in "$dir/$name"[0-9]*.yaml; do
    wrk -t1 -c"$c" "-d${s}s" --latency "$@" "$(address "$config")$path" >"$dir/$(basename "$config" .yaml).wrk" &
    pids+=($!)
  done
  wait "${pids[@]}"
}

round() { # WHAT NAME N PATH [wrk options]
  local what=$1 name=$2 n=$3; shift 3
  local before after
  before=$(shared "$name")
  load "$name" "$seconds" "$@"
  after=$(shared "$name")
  cat "$dir/$name"[0-9]*.wrk | awk -v what="$what" -v name="$name" -v round="$n" -v ms=$((after - before)) -v s="$seconds" '
    /Requests\/sec/ {rate += $2} /Non-2xx/ {bad += $NF} $1 == "99%" {p99 = p99 " " $2}
    END {printf "%-28s %-5s round %d: %7.0f a second, p99%s, CPU %.3f ms each, %5.0f for a second of CPU%s\n", what, name, round, rate, p99, ms / (rate * s), rate * s * 1000 / ms, bad ? ", " bad " NOT 2xx" : ""}'
}

measure() { # WHAT PATH, %token and %key and %shop in it and in the wrk options
  local what=$1 n name args; shift
  for n in $(seq 0 "$rounds"); do
    for name in one many; do
      args=("${@//%token/${tokens[$name]}}"); args=("${args[@]//%key/${keys[$name]}}"); args=("${args[@]//%shop/$dir/$name}")
      if [ "$n" -eq 0 ]; then load "$name" "$warm" "${args[@]}"; else round "$what" "$name" "$n" "${args[@]}"; fi
    done
  done
}

measure 'page with live data' '/?token=%token'
measure 'page, any of many' '/' -s '%shop.pages.lua'
measure 'payment status (page)' '/checkout/%token/status'
measure 'status, any of many' '/' -s '%shop.statuses.lua'
measure 'create (idempotent, durable)' '/' -s '%shop.lua'
for name in one many; do
  for pid in ${of_shop[$name]}; do echo "$name: resident $(rss "$pid") MB"; done
done
