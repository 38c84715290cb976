#!/usr/bin/env bash
# configs/digits.h5 is whole, and is what the command in configs/digits.md makes of the original.
# The second needs digits.csv.gz in the folder that LOCKSTEP_TEST_DATA names.
set -eu
build=$(cd "$1" && pwd) source=$(cd "$2" && pwd)
"$build/lockstep" verify "$source/configs/digits.h5"

original=${LOCKSTEP_TEST_DATA:-}/digits.csv.gz
[[ -e $original ]] || { echo "not compared with the original: LOCKSTEP_TEST_DATA names no folder with digits.csv.gz" && exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp "$original" "$folder"
# shellcheck disable=SC2016 # the quotes are those of Markdown
command=$(sed -n '/^```$/,/^```$/p' "$source/configs/digits.md" | grep -v '^```$')
(cd "$folder" && PATH=$build:$PATH bash -euc "$command" >said 2>&1) || { cat "$folder/said" && exit 1; }
cmp "$folder/digits.h5" "$source/configs/digits.h5" || {
  echo "configs/digits.h5 is old: make it anew by the command in configs/digits.md"
  exit 1
}
