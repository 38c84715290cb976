# shellcheck shell=bash
# Sourced by tests that need several nodes on one machine: network namespaces joined by a bridge. Open MPI takes them for
# hosts: its ranks share no memory across them and talk TCP. Needs root.
#
#     . support/netns.sh
#     nodes_or_skip                     # exits with 77 where this machine cannot
#     nodes_create 3                    # n1, n2, n3; removed when the test ends, however it ends
#     mpirun -n 6 -H n1:2,n2:2,n3:2 ./program
#     nodes_run n2 hostname             # one command on one node
#     nodes_cut n3                      # its cable is pulled: no packet, no login; what runs there goes on
#     nodes_join n3                     # and is plugged in again
#     nodes_kill n3                     # its power is gone: cut, and all that ran there is dead
#
# mpirun runs outside of the nodes, on a host of its own that carries no ranks. nodes_create sets
#     NODES_AGENT        runs a command on a node: "$NODES_AGENT n2 hostname", as ssh would
#     NODES_SUBNET       what the nodes are joined by, e.g. 10.203.7.0/24
# and exports the OMPI_MCA_* settings with which mpirun uses them. A test that sets its own EXIT trap calls nodes_remove there.

nodes_or_skip() {
  local program
  for program in ip unshare mpirun hostname; do
    command -v "$program" >/dev/null || { echo "skipped: needs $program" && exit 77; }
  done
  [[ $(id -u) == 0 ]] || { echo "skipped: needs root, for network namespaces" && exit 77; }
  local trial=lst$$
  if ! { ip netns add "$trial" && ip link add "$trial" type bridge && ip link add "${trial}a" type veth peer name "${trial}b" &&
    ip netns exec "$trial" unshare --uts hostname "$trial"; } 2>/dev/null; then
    echo "skipped: this machine has no network namespaces, bridges or veth pairs"
    nodes__drop "$trial"
    exit 77
  fi
  nodes__drop "$trial"
}

nodes__drop() { # TRIAL
  ip link delete "${1}a"
  ip link delete "$1"
  ip netns delete "$1"
} 2>/dev/null

# Namespaces, interfaces and addresses are numbered by the process, so that tests may run side by side.
nodes_create() { # COUNT, at most 200
  nodes_count=$1
  nodes_prefix=ls$$
  nodes_folder=$(mktemp -d)
  trap nodes_remove EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  local net=10.$((100 + $$ / 250 % 100)).$(($$ % 250))
  NODES_SUBNET=$net.0/24
  ip link add "$nodes_prefix" type bridge
  ip address add "$net.254/24" dev "$nodes_prefix"
  ip link set "$nodes_prefix" up
  local node
  for ((node = 1; node <= nodes_count; node++)); do
    nodes__add "$node" "$net.$node/24"
  done
  nodes__write_agent
  export OMPI_MCA_plm_rsh_agent=$NODES_AGENT OMPI_MCA_plm_rsh_no_tree_spawn=1
  export OMPI_MCA_btl_tcp_if_include=$NODES_SUBNET OMPI_MCA_oob_tcp_if_include=$NODES_SUBNET
}

nodes__add() { # NUMBER ADDRESS
  local space=${nodes_prefix}n$1 cable=${nodes_prefix}v$1
  ip netns add "$space"
  ip link add "$cable" type veth peer name eth0 netns "$space"
  ip link set "$cable" master "$nodes_prefix" up
  ip -n "$space" link set lo up
  ip -n "$space" address add "$2" dev eth0
  ip -n "$space" link set eth0 up
}

# As ssh does, the agent hands its words, joined, to a shell.
nodes__write_agent() {
  NODES_AGENT=$nodes_folder/agent
  cat >"$NODES_AGENT" <<END
#!/bin/sh
node=\$1
shift
if [ -e '$nodes_folder/cut.'"\$node" ]; then
  echo "\$node: no route to host" >&2
  exit 255
fi
exec ip netns exec "${nodes_prefix}\$node" unshare --uts sh -c 'hostname "\$0" && exec sh -c "\$*"' "\$node" "\$@"
END
  chmod +x "$NODES_AGENT"
}

nodes_run() { "$NODES_AGENT" "$@"; } # NODE COMMAND...

nodes_cut() { # NODE
  : >"$nodes_folder/cut.$1"
  ip link set "${nodes_prefix}v${1#n}" down
}

nodes_join() { # NODE
  ip link set "${nodes_prefix}v${1#n}" up
  rm -f "$nodes_folder/cut.$1"
}

nodes_kill() { # NODE
  nodes_cut "$1"
  nodes__kill_all "${nodes_prefix}$1"
}

nodes__kill_all() { # NAMESPACE
  local processes
  processes=$(ip netns pids "$1" 2>/dev/null)
  # shellcheck disable=SC2086  # a list
  [[ -z $processes ]] || kill -KILL $processes 2>/dev/null
}

nodes_remove() {
  [[ -n ${nodes_folder:-} ]] || return 0
  local node
  for ((node = 1; node <= nodes_count; node++)); do
    nodes__kill_all "${nodes_prefix}n$node"
    ip link delete "${nodes_prefix}v$node" 2>/dev/null
    ip netns delete "${nodes_prefix}n$node" 2>/dev/null
  done
  ip link delete "$nodes_prefix" 2>/dev/null
  rm -rf "$nodes_folder"
  nodes_folder=''
}
