#!/usr/bin/env bash
# configs/reference.yaml is what the program generates.
set -eu
build=$1 source=$2
"$build/lockstep" config --reference | diff - "$source/configs/reference.yaml" || {
  echo "configs/reference.yaml is old: lockstep config --reference > configs/reference.yaml"
  exit 1
}
