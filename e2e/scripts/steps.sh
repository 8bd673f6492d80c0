#!/usr/bin/env bash
# steps.sh TITLE=TARGET...: runs the make targets in order, each under a heading
# and with its duration, goes on after a failure so that one run shows them
# all, and ends with a table and the counts of tests. Exits 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit

logs=e2e/out/logs
rm -rf "$logs"
mkdir -p "$logs"

# counts LOG: "passed failed skipped" as the runners' closing lines give them:
# node's test runner, Playwright, and our own summary of go test.
counts() {
  awk '
    /^[#ℹ]+ pass [0-9]+$/          { p += $3 }
    /^[#ℹ]+ fail [0-9]+$/          { f += $3 }
    /^[#ℹ]+ (skipped|todo) [0-9]+$/ { s += $3 }
    /^ +[0-9]+ passed \(/          { p += $1 }
    /^ +[0-9]+ (failed|flaky|interrupted)$/ { f += $1 }
    /^ +[0-9]+ (skipped|did not run)$/      { s += $1 }
    /^go: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ { p += $2; f += $4; s += $6 }
    END { print p + 0, f + 0, s + 0 }
  ' "$1"
}

table=()
failed=()
passed_tests=0 failed_tests=0 skipped_tests=0
begin=$SECONDS
for step in "$@"; do
  title=${step%%=*} target=${step#*=}
  printf '\n== %s\n' "$title"
  start=$SECONDS
  make --no-print-directory -s "$target" 2>&1 | tee "$logs/$target.log"
  status=${PIPESTATUS[0]}
  took=$((SECONDS - start))
  if [ "$status" -eq 0 ]; then verdict=ok; else verdict=FAILED; failed+=("$title"); fi
  if grep -q '^skipped: ' "$logs/$target.log"; then verdict="$verdict ($(grep -m1 '^skipped: ' "$logs/$target.log"))"; fi
  printf -- '-- %s: %s, %d s\n' "$title" "$verdict" "$took"
  table+=("$(printf '%6d s  %-34s %s' "$took" "$title" "$verdict")")
  read -r p f s <<<"$(counts "$logs/$target.log")"
  passed_tests=$((passed_tests + p)) failed_tests=$((failed_tests + f)) skipped_tests=$((skipped_tests + s))
done

printf '\n== Summary\n'
printf '%s\n' "${table[@]}"
printf '%6d s  in all\n' "$((SECONDS - begin))"
if [ $((passed_tests + failed_tests)) -gt 0 ]; then
  printf '%d passed, %d failed, %d skipped\n' "$passed_tests" "$failed_tests" "$skipped_tests"
fi
if [ ${#failed[@]} -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
