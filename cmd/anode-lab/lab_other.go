//go:build !linux

package main

import "github.com/spf13/cobra"

// labCommands need Linux.
func labCommands() []*cobra.Command { return nil }
