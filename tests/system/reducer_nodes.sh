#!/usr/bin/env bash
# The comm module over nodes that share nothing but a network: the same tests as on one machine, and who is named when a
# node falls silent.
# usage: reducer_nodes.sh BUILD_DIR SOURCE_DIR
set -u
build=$(cd "$1" && pwd) source=$(cd "$2" && pwd)
# shellcheck source=tests/support/netns.sh
. "$source/tests/support/netns.sh"
nodes_or_skip
# What ctest sets for tests on one machine is no setting for nodes.
unset OMPI_MCA_rmaps_base_oversubscribe
nodes_create 4

fail() {
  echo "FAILED: $*"
  exit 1
}

# ---- tests of ranks: 2 and 4 equal nodes (halving), 3 nodes, nodes of different sizes, a node of one rank ----
for hosts in n1:1,n2:1 n1:2,n2:2 n1:1,n2:1,n3:1,n4:1 n1:2,n2:2,n3:1; do
  ranks=$(($(tr ',' '+' <<<"$hosts" | sed 's/n[0-9]*://g')))
  for name in comm reducer; do
    said=$(timeout 200 mpirun --quiet -n $ranks -H "$hosts" "$build/tests/comm.$name" 2>&1) || fail "$name on $hosts: $said"
  done
done

# ---- ranks placed round robin are renumbered node by node ----
said=$(timeout 200 mpirun --quiet --map-by node -n 4 -H n1:2,n2:2 "$build/tests/comm.failures" places 2>&1) ||
  fail "places: $said"
[[ $(sort <<<"$said") == "0 on n1, node 0 of 2
1 on n1, node 0 of 2
2 on n2, node 1 of 2
3 on n2, node 1 of 2" ]] || fail "ranks are not numbered node by node: $said"

# ---- a rank of another node does not come: rank 0 names it, with what its neighbour sees of it ----
said=$(timeout 100 mpirun --quiet -n 4 -H n1:2,n2:2 "$build/tests/comm.failures" last 2>&1)
code=$?
[[ $code == 1 ]] || fail "exit code $code, not 1: $said"
[[ $(grep -c "lockstep: error: " <<<"$said") == 1 ]] || fail "not one block: $said"
grep -q "lockstep:   rank 3 on n2: forward, step 12, .* read train.h5 row 60000" <<<"$said" || fail "not named: $said"

# ---- a whole node is silent: nothing is known of it but its name ----
said=$(timeout 100 mpirun --quiet -n 2 -H n1:1,n2:1 "$build/tests/comm.failures" last 2>&1)
code=$?
[[ $code == 1 ]] || fail "exit code $code, not 1: $said"
grep -q "lockstep:   rank 1 on n2: nothing is heard from it" <<<"$said" || fail "not named: $said"

# ---- signs of life cross nodes ----
said=$(timeout 100 mpirun --quiet -n 2 -H n1:1,n2:1 "$build/tests/comm.failures" beats 2>&1) || fail "beats: $said"

echo "reducer_nodes: all cases hold"
