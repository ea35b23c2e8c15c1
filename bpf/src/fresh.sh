#!/usr/bin/env bash
# Proves that the committed objects and their Go types are what the sources make. Needs clang 14, llvm-strip and the
# headers of libbpf and of the kernel (Debian 12: apt-get install clang llvm libbpf-dev).
#
#   bash bpf/src/fresh.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

wanted=14
version=$(clang -dumpversion | cut -d. -f1)
if [[ $version != "$wanted" ]]; then
  echo "clang $version would make other objects: the committed ones are made by clang $wanted" >&2
  exit 1
fi

made=(bpf/kernel_bpfel.{go,o} bench/lab/fault_bpfel.{go,o})
kept=$(mktemp -d)
restore() { cp -p --parents -t "$OLDPWD" "${made[@]}" && rm -r "$kept"; }
cp -p --parents -t "$kept" "${made[@]}"
trap 'cd "$kept" && restore' EXIT
go generate ./bpf ./bench/lab
for file in "${made[@]}"; do
  if ! cmp -s "$file" "$kept/$file"; then
    echo "$file is stale: run go generate ./$(dirname "$file") and commit what it changes" >&2
    exit 1
  fi
done
echo "the committed kernel objects are fresh"
