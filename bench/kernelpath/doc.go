// Package kernelpath tests the kernel path as a whole: real nodes with real sockets and real programs, loaded through
// the SDK. It needs root; every test runs in a network namespace that ends with the test process.
package kernelpath
