package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Every command that a page or a help shows is one that there is, with flags that it has and arguments that it takes.
func TestShownCommandsAreUnderstood(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "../../README.md", "../../THREAT_MODEL.md", "../../ARCHITECTURE.md", "../../docker-compose.yml", "../../deploy/anode.service")
	seen := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range shownCommands(string(b)) {
			seen++
			if err := understood(line); err != nil {
				t.Errorf("%s: anode %s: %v", filepath.Base(page), line, err)
			}
		}
	}
	if seen < 60 {
		t.Errorf("the pages show only %d commands", seen)
	}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, line := range shownCommands(cmd.Example) {
			if err := understood(line); err != nil {
				t.Errorf("%s --help: anode %s: %v", cmd.CommandPath(), line, err)
			}
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(newRoot())
}

// A command is shown behind the binary's name, and ends where the shell's words do.
var (
	shown    = regexp.MustCompile("(?m)(?:^|[ (`/])anode +([a-z][^\n]*)")
	inPlace  = regexp.MustCompile("`[^`\n]*`")
	fences   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	quoted   = regexp.MustCompile(`'[^']*'|"[^"]*"`)
	wordEnds = regexp.MustCompile("[|<>;&#`()]|\\s-- ?$")
)

// shownCommands are the command lines of a text, without the name of the program: those of its blocks, and those that stand
// in its sentences. A text without either is all commands.
func shownCommands(text string) (lines []string) {
	text = strings.ReplaceAll(text, "-o anode", "") // the user of that name
	blocks := fences.FindAllString(text, -1)
	pieces := append(blocks, inPlace.FindAllString(fences.ReplaceAllString(text, ""), -1)...)
	if len(pieces) == 0 {
		pieces = []string{text}
	}
	for _, piece := range pieces {
		for _, match := range shown.FindAllStringSubmatch(piece, -1) {
			// What stands in quotes may hold anything, and is one word.
			line := quoted.ReplaceAllString(match[1], "word")
			if end := wordEnds.FindStringIndex(line); end != nil {
				line = line[:end[0]]
			}
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// understood parses a command line and runs nothing. One that names the command alone, as a sentence does, has no arguments
// to look at.
func understood(line string) error {
	cmd, rest, err := newRoot().Find(strings.Fields(line))
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil && err != pflag.ErrHelp {
		return flagMistake(cmd, err)
	}
	if len(rest) == 0 && !cmd.HasSubCommands() {
		return nil
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

func TestUnderstood(t *testing.T) {
	for line, want := range map[string]string{
		"get a": "", "get": "", "gett a": "unknown command", "config chek": "unknown command", "config": "",
		"get a --server h:1": "unknown flag", "bench --for x": "--for is", "put a": "takes 2 arguments", "cas --absent a b": "",
	} {
		if err := understood(line); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
	page := "Run `anode get a` or\n\n```console\n$ bin/anode put a 'b c' | cat\n(umask 077; anode config keys > keys)\n```\n and anode is not a command here.\n"
	if got := strings.Join(shownCommands(page), "/"); got != "put a word/config keys/get a" {
		t.Errorf("%q", got)
	}
}
