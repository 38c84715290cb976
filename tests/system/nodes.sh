#!/usr/bin/env bash
# Several nodes, each a network namespace: ranks meet across them, and lockstep-run goes on when one of them dies.
# usage: nodes.sh BUILD_DIR SOURCE_DIR
set -u
source=$(cd "$2" && pwd)
# shellcheck source=tests/support/netns.sh
. "$source/tests/support/netns.sh"
# shellcheck source=launch/environment
. "$source/launch/environment"
command -v mpicc >/dev/null || { echo "skipped: needs mpicc" && exit 77; }
nodes_or_skip
# What ctest sets for tests on one machine is no setting for nodes.
unset OMPI_MCA_rmaps_base_oversubscribe

folder=$(mktemp -d)
end() {
  nodes_remove
  rm -rf "$folder"
}
nodes_create 3
trap end EXIT
program=$folder/nodes_program
mpicc -O1 -o "$program" "$source/tests/system/nodes_program.c" || exit 1

fail() {
  echo "FAILED: $*"
  [[ ! -e $folder/said ]] || sed 's/^/    /' "$folder/said"
  exit 1
}

eventually() {
  local attempt
  for attempt in {1..800}; do
    "$@" && return
    sleep 0.05
  done
  fail "after $attempt attempts: not so: $*"
}

# ---- ranks see separate nodes ----
timeout 60 mpirun --quiet -n 6 -H n1:2,n2:2,n3:2 "$program" places >"$folder/places" || fail "mpirun across nodes: $?"
sort "$folder/places" | diff - <(for rank in {0..5}; do echo "rank $rank of 6 on n$((rank / 2 + 1)), 2 here"; done) ||
  fail "the ranks are not placed so"

# ---- a node dies: lockstep-run notices, leaves it out and goes on ----
step_is_told() { grep -q '"step": [1-9][0-9]' "$folder/run/status.json" 2>/dev/null; }
mkdir "$folder/run"
printf 'n%d slots=2\n' 1 2 3 >"$folder/hosts"
timeout 200 "$source/launch/lockstep-run" --hostfile "$folder/hosts" --agent "$NODES_AGENT" --lockstep "$program" \
  --run-dir "$folder/run" --backoff 0.1 --silence 1 --max-restarts 2 train "$folder/run" 6 2>"$folder/said" &
supervisor=$!
eventually step_is_told
nodes_kill n3
wait "$supervisor" || fail "lockstep-run ends with $?"
for words in "start 1: 6 ranks on 3 hosts" "only 2 of 3 hosts answer" "left out, since they do not answer: n3" \
  "start 2: 4 ranks on 2 hosts" "running again after"; do
  grep -q "$words" "$folder/said" || fail "did not say '$words'"
done
[[ -z $(ip netns pids "${nodes_prefix}n1") ]] || fail "processes are left on n1"

echo "nodes: all cases hold"
