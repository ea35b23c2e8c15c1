//go:build linux

package bpf

//go:generate go tool bpf2go -go-package bpf -no-global-types -tags linux -target bpfel -cc clang -strip llvm-strip -type kind -type wake -type reason -type limit -type frame -type control -type config -type member -type record -type slot_key -type counters kernel src/anode.bpf.c -- -mcpu=v3 -O2 -Wall -Werror -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu
