#!/usr/bin/env bash
# Proves that the committed object and its Go types are what the sources make. Needs clang 14, llvm-strip and the
# headers of libbpf and of the kernel (Debian 12: apt-get install clang llvm libbpf-dev).
#
#   bash bpf/src/fresh.sh
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=14
version=$(clang -dumpversion | cut -d. -f1)
if [[ $version != "$wanted" ]]; then
  echo "clang $version would make another object: the committed one is made by clang $wanted" >&2
  exit 1
fi

kept=$(mktemp -d)
restore() { cp -p "$kept"/* . && rm -r "$kept"; }
cp -p kernel_bpfel.go kernel_bpfel.o "$kept"
trap restore EXIT
go generate .
for file in kernel_bpfel.go kernel_bpfel.o; do
  if ! cmp -s "$file" "$kept/$file"; then
    echo "bpf/$file is stale: run go generate ./bpf and commit what it changes" >&2
    exit 1
  fi
done
echo "bpf: the committed object is fresh"
