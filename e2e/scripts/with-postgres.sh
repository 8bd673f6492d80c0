#!/usr/bin/env bash
# with-postgres.sh COMMAND...: runs COMMAND with QUITTANCE_TEST_POSTGRES naming a
# PostgreSQL server that lives only as long, in a temporary directory, reachable
# from this machine alone. The server's own words are shown if it does not start.
set -euo pipefail

bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
if [ ! -x "$bin/initdb" ]; then
  echo "no PostgreSQL server found at /usr/lib/postgresql/*/bin: run make setup" >&2
  exit 1
fi

# PostgreSQL refuses to run as root.
as=()
if [ "$(id -u)" -eq 0 ]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --)
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/quittance-pg.XXXXXX")
started=
stop() {
  if [ -n "$started" ]; then
    "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || true
  fi
  rm -rf "$dir"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$dir" # the server's user may not be let into the caller's directory

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '%s\n' "$password" >"$dir/password"
if [ ${#as[@]} -gt 0 ]; then chown -R "$user" "$dir"; fi

"${as[@]}" "$bin/initdb" -D "$dir/data" -U quittance --pwfile="$dir/password" --auth=scram-sha-256 \
  --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; exit 1; }

cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 200
CONF
# Nothing in it outlives the tests, so it need not survive a power cut; who measures
# or kills it wants it to.
if [ -z "${QUITTANCE_POSTGRES_DURABLE:-}" ]; then
  printf '%s = off\n' fsync synchronous_commit full_page_writes >>"$dir/data/postgresql.conf"
fi

for _ in 1 2 3 4 5 6 7 8; do
  port=$((20000 + RANDOM % 30000))
  if "${as[@]}" "$bin/pg_ctl" -D "$dir/data" -o "-p $port" -l "$dir/server.log" -w -t 120 start >/dev/null 2>&1; then
    started=yes
    break
  fi
  grep -q 'could not bind' "$dir/server.log" || break
done
if [ -z "$started" ]; then
  echo "PostgreSQL did not start:" >&2
  cat "$dir/server.log" >&2
  exit 1
fi

cd "$OLDPWD"
QUITTANCE_TEST_POSTGRES="postgres://quittance:$password@127.0.0.1:$port/postgres?sslmode=disable" "$@"
