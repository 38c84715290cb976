#!/usr/bin/env bash
# Several nodes, each a network namespace: ranks meet across them, training has the bits of one rank, and lockstep-run
# goes on when a node dies or is cut off.
# usage: nodes.sh BUILD_DIR SOURCE_DIR [CUTS [SEED]]
set -u
build=$(cd "$1" && pwd) source=$(cd "$2" && pwd)
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
  [[ -z ${supervisor:-} ]] || kill -KILL "$supervisor" 2>/dev/null
  nodes_remove
  rm -rf "$folder"
}
nodes_create 4
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
  for attempt in {1..2400}; do
    "$@" && return
    sleep 0.05
  done
  fail "after $attempt attempts: not so: $*"
}

# ---- ranks see separate nodes ----
timeout 60 mpirun --quiet -n 6 -H n1:2,n2:2,n3:2 "$program" places >"$folder/places" || fail "mpirun across nodes: $?"
sort "$folder/places" | diff - <(for rank in {0..5}; do echo "rank $rank of 6 on n$((rank / 2 + 1)), 2 here"; done) ||
  fail "the ranks are not placed so"

# ---- training has the bits of one rank, however many nodes share it ----
train() { # RUN HOSTS (empty: one rank without mpirun) ARGUMENTS...
  local start=() ranks
  if [[ -n $2 ]]; then
    ranks=$(($(tr ',' '+' <<<"$2" | sed 's/n[0-9]*://g')))
    start=(mpirun --quiet -n "$ranks" -H "$2")
  fi
  timeout 60 "${start[@]}" "$build/lockstep" train "$source/configs/digits.yaml" --set microbatch=8 --set stop.epochs=3 \
    --set "run.dir=$folder/$1" "${@:3}" </dev/null >"$folder/said" 2>&1 || fail "train $1: $?"
}

# What was computed, without the time it took.
results_of() { sed 's/,"samples_per_second":[^,}]*//' "$folder/$1/metrics.jsonl"; }

train alone ""
while read -r run hosts; do
  train "$run" "$hosts"
  grep -q "on $(tr ',' '\n' <<<"$hosts" | wc -l) nodes" "$folder/said" || fail "$run: not on the nodes of $hosts"
  "$build/lockstep" diff "$folder/alone/checkpoints/latest.h5" "$folder/$run/checkpoints/latest.h5" >"$folder/said" ||
    fail "$run: other weights than one rank's"
  [[ $(results_of "$run") == "$(results_of alone)" ]] || fail "$run: other metrics than one rank's"
done <<END
two n1:1,n2:1
three n1:2,n2:1,n3:1
equal n1:2,n2:2,n3:2
four n1:2,n2:1,n3:2,n4:1
full n1:2,n2:2,n3:2,n4:2
END

# ---- a wire of half the width has other bits, and says so ----
train short n1:1,n2:1 --set topology.wire=bf16
grep -q "warning: topology.wire: bf16 .* depend on the number of nodes (2)" "$folder/said" || fail "bf16 does not warn"
"$build/lockstep" diff "$folder/alone/checkpoints/latest.h5" "$folder/short/checkpoints/latest.h5" >"$folder/said" &&
  fail "bf16 has the bits of float32"

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
nodes_join n3

# ---- mpirun is killed, then lockstep-run: no rank is left on any node, also none that is stopped ----
a_rank_on() { # NODE: prints its process
  local pid
  for pid in $(ip netns pids "$nodes_prefix$1"); do
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) != nodes_program ]] || echo "$pid"
  done | head -n 1
}
is_dead() { ! grep -q '^State:[[:space:]][^ZX]' "/proc/$1/status" 2>/dev/null; }
is_empty() { [[ -z $(ip netns pids "$nodes_prefix$1") ]]; }
rm "$folder/run/status.json"
"$source/launch/lockstep-run" --hostfile "$folder/hosts" --agent "$NODES_AGENT" --lockstep "$program" \
  --run-dir "$folder/run" --backoff 0.1 train "$folder/run" 6 2>"$folder/said" &
supervisor=$!
eventually step_is_told
stopped=$(a_rank_on n2)
kill -STOP "$stopped"
kill -KILL "$(pgrep -P "$supervisor" mpirun)"
eventually grep -q "running again after" "$folder/said"
eventually is_dead "$stopped"
kill -STOP "$(a_rank_on n3)"
kill -KILL "$supervisor"
for node in n1 n2 n3; do eventually is_empty "$node"; done

# ---- cables are pulled: the run says who is missing, goes on without, and ends as if undisturbed ----
cuts=${3:-1} RANDOM=${4:-1}
count() { grep -Ec "$1" "$folder/said"; } # WORDS
said_more() { (($(count "$1") > $2)); }   # WORDS TIMES
is_running() { [[ -e $folder/cut/checkpoints/latest.h5 ]] && said_more "running again" $(($1 - 2)); } # CUT
has_no_rank() {
  local pid
  for pid in $(ip netns pids "$nodes_prefix$1"); do
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) != lockstep ]] || return 1
  done
}

settings=(--set microbatch=8 --set "stop.epochs=$((10 + cuts))" --set checkpoint.every=5st --set run.deadline=3s)
train calm "" "${settings[@]}"
"$source/launch/lockstep-run" --hostfile "$folder/hosts" --agent "$NODES_AGENT" --lockstep "$build/lockstep" \
  --backoff 0.1 --max-backoff 1 --silence 12 --same-step 0 --max-restarts $((50 * cuts)) \
  train "$source/configs/digits.yaml" "${settings[@]}" --set "run.dir=$folder/cut" >"$folder/said" 2>&1 &
supervisor=$! node=''
for ((cut = 1; cut <= cuts; cut++)); do
  out=$node # has come back, and is taken in at the next start
  while [[ $node == "$out" ]]; do node=n$((cuts == 1 ? 3 : RANDOM % 3 + 1)); done
  eventually is_running "$cut"
  left_out=$(count "left out, .*: $node$") blamed=$(count "rank [0-9]+ on $node: nothing is heard from it")
  nodes_cut "$node"
  eventually said_more "left out, .*: $node$" "$left_out"
  said_more "rank [0-9]+ on $node: nothing is heard from it" "$blamed" || fail "nobody said that $node is missing"
  eventually has_no_rank "$node"
  nodes_join "$node"
done
wait "$supervisor" || fail "lockstep-run ends with $?"
"$build/lockstep" diff "$folder/calm/checkpoints/latest.h5" "$folder/cut/checkpoints/latest.h5" >>"$folder/said" ||
  fail "cut off: other weights than the undisturbed run's"
[[ $(results_of cut) == "$(results_of calm)" ]] || fail "cut off: other metrics than the undisturbed run's"
echo "nodes: $cuts cut off; $(count ' start [0-9]+:') starts; $(grep 'running again' "$folder/said" | sed 's/.*again //' |
  tr '\n' ',')"

echo "nodes: all cases hold"
