//go:build linux

package lab

//go:generate go tool bpf2go -go-package lab -no-global-types -tags linux -target bpfel -cc clang -strip llvm-strip -type limit -type way -type rule -type tally fault src/fault.bpf.c -- -mcpu=v3 -O2 -Wall -Werror -I/usr/include/x86_64-linux-gnu -I/usr/include/aarch64-linux-gnu
