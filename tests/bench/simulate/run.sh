#!/usr/bin/env bash
# Weak scaling of the reducer on simulated networks: results.txt, a line a run, beside the formula.
# usage: run.sh BUILD_DIR [NODES...] >results.txt    a build with -DLOCKSTEP_SIMULATE=ON; nodes: 1 2 4 ... 1024
#
# Efficiency is the step of one node over the step of N nodes, each with the same number of samples.
#
# Networks, by what a message meets:      link           one hop    processor a message   processor a byte, each side
#   ib100   fat tree, 32 hosts a switch   100 Gb/s x 0.97   0.3 us         0.3 us              0 (the card does it)
#   eth10   one switch, TCP                10 Gb/s x 0.94   5 us           3 us                0.1 ns
#   eth1    one switch, TCP                 1 Gb/s x 0.94  15 us           5 us                0.1 ns
# Acknowledgements of TCP take 5 % of the way back (SimGrid's crosstraffic); those of InfiniBand nothing.
set -eu
build=$(cd "$1" && pwd) here=$(cd "$(dirname "$0")" && pwd)
shift
[[ $# -gt 0 ]] || set -- 1 2 4 8 16 32 64 128 256 512 1024
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for ((i = 0; i < 1024; i++)); do echo "n$i"; done >"$folder/hosts"

platform() { # FILE CLUSTER_ATTRIBUTES...
  cat >"$1" <<END
<?xml version="1.0"?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<platform version="4.1">
  <cluster id="c" prefix="n" suffix="" radical="0-1023" speed="1Gf" sharing_policy="SPLITDUPLEX" ${*:2}/>
</platform>
END
}
platform "$folder/ib100.xml" 'bw="12.125GBps" lat="0.3us" topology="FAT_TREE" topo_parameters="2;32,32;1,32;1,1"'
platform "$folder/eth10.xml" 'bw="1.175GBps" lat="5us"'
platform "$folder/eth1.xml" 'bw="117.5MBps" lat="15us"'

# latency of a message over two hops or four, bytes a second less acknowledgements, processor seconds a message and a
# byte
declare -A assumed=([ib100]="--latency 1.2e-6 --bandwidth 12.125e9 --message 0.3e-6"
  [eth10]="--latency 10e-6 --bandwidth 1.119e9 --message 3e-6 --byte 0.1e-9"
  [eth1]="--latency 30e-6 --bandwidth 111.9e6 --message 5e-6 --byte 0.1e-9")

simulate() { # PLATFORM NODES ARGUMENTS...
  local crosstraffic=1
  [[ $1 != ib100 ]] || crosstraffic=0
  # shellcheck disable=SC2086  # lists of options
  OPENBLAS_NUM_THREADS=1 smpirun -no-privatize -np "$2" -platform "$folder/$1.xml" -hostfile "$folder/hosts" \
    --log=root.thresh:error --cfg=smpi/simulate-computation:no --cfg=smpi/coll-selector:ompi --cfg=smpi/test:0 \
    --cfg=smpi/bw-factor:"0:1" --cfg=smpi/lat-factor:"0:1" --cfg=contexts/stack-size:256 \
    --cfg=smpi/shared-malloc-blocksize:16777216 --cfg=network/crosstraffic:$crosstraffic \
    "$build/tests/bench.simulate" "${@:3}" ${assumed[$1]}
}

declare -A first # step and formula of the fewest nodes, by what else is equal
study() { # NETWORK SAMPLES WIRE PLATFORM NODES
  local key="$1 $2 $3 $4" step formula options=()
  # The sums are compared with their definition where that takes moments; one step is like the other.
  [[ $5 -le 16 ]] || options+=(--hollow)
  [[ $5 -le 128 ]] || options+=(--steps 1)
  read -r _ step formula sections < <(simulate "$4" "$5" "$1" "$here/$1.profile" --samples "$2" --wire "$3" \
    "${options[@]}")
  [[ -v first[$key] ]] || first[$key]="$step $formula"
  awk -v is="${first[$key]} $step $formula $sections" -v what="$key" -v nodes="$5" 'BEGIN {
    split(is, v); split(what, w)
    printf "%-5s %4d %-7s %-5s %5d %9.2f %9.2f %7.1f %7.1f %9.2f %7.2f %7.2f %9.2f\n", w[1], w[2], w[3], w[4],
      nodes, v[3], v[4], 100 * v[1] / v[3], 100 * v[2] / v[4], v[5], v[6], v[7], v[8] }'
}

echo '# step, waiting for gradients, decide, update, waiting for weights: milliseconds; efficiency: per cent'
echo '# net  a rank wire    on    nodes      step   formula   effic. formula gradients  decide  update   weights'
for nodes in "$@"; do
  for platform in ib100 eth10 eth1; do
    for network in cnn dense; do study "$network" 64 float32 "$platform" "$nodes"; done
  done
  for platform in ib100 eth10; do study dense 64 bf16 "$platform" "$nodes"; done
  [[ $nodes -gt 16 ]] || for samples in 128 256 512; do study dense "$samples" float32 eth10 "$nodes"; done
done
