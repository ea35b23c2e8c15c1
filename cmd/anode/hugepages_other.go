//go:build !linux

package main

import "context"

// useHugePages does nothing: only Linux lets a process choose.
func useHugePages(context.Context) {}
