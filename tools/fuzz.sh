#!/usr/bin/env bash
# Runs each fuzz target of the repository for a while, one after the other.
# What a target finds is left in its package's testdata/fuzz, to be committed
# with the fix.
#
# Usage: fuzz.sh DURATION
set -euo pipefail
duration=${1:?usage: fuzz.sh DURATION}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

targets=$(grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9]+' . | sed -E 's/^(.*)\/[^/]+:func (Fuzz.*)$/\1 \2/' | sort)
while read -r package target; do
  echo "== $package $target"
  # Making interesting inputs small takes longer than finding them.
  if ! go test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$duration" -fuzzminimizetime 20x 2>&1 | tee "$log"; then
    # The end of the time sometimes meets a worker in the middle of an input,
    # and go test calls that a failure, up to Go 1.26: https://go.dev/issue/75804.
    if ! grep -q 'context deadline exceeded' "$log" || grep -q 'Failing input written' "$log"; then
      exit 1
    fi
  fi
done <<<"$targets"
