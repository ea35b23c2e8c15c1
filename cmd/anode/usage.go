package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/anodekv/anode/cmd/anode/internal/words"
)

// seeHelp ends what is said of a command line that is not understood.
func seeHelp(cmd *cobra.Command) string { return fmt.Sprintf("see `%s --help`", cmd.CommandPath()) }

// noArgs is for commands that are told everything by flags.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no arguments and got %q: %s", cmd.CommandPath(), args[0], seeHelp(cmd))
	}
	return nil
}

// exactly asks for so many arguments, and says how the command is used.
func exactly(n int) cobra.PositionalArgs { return between(n, n) }

// between asks for that many arguments at least and at most.
func between(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		number := fmt.Sprint(most)
		if least < most {
			number = "up to " + number
		}
		plural := "s"
		if most == 1 {
			plural = ""
		}
		hint := ""
		if len(args) > most {
			hint = ", with quotes around what holds blanks"
		}
		return fmt.Errorf("%s takes %s argument%s and got %d: write `anode %s`%s", cmd.CommandPath(), number, plural, len(args), useLine(cmd), hint)
	}
}

// oneOf asks for one of some words.
func oneOf(what, word string, words []string) error {
	if !slices.Contains(words, word) {
		return fmt.Errorf("%s is %q: choose %s or %s", what, word, strings.Join(words[:len(words)-1], ", "), words[len(words)-1])
	}
	return nil
}

// someKeys asks for at least one key.
func someKeys(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s names no key: write `anode %s`, and %s", cmd.CommandPath(), useLine(cmd), seeHelp(cmd))
	}
	return nil
}

// useLine is how the command is written behind the name of the program.
func useLine(cmd *cobra.Command) string {
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	_, args, _ := strings.Cut(cmd.Use, " ")
	return strings.TrimSpace(path + " " + args)
}

// family makes a command that does nothing but hold others: alone it shows its help.
func family(cmd *cobra.Command) {
	cmd.DisableFlagsInUseLine = true
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(cmd, args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}

// unknownCommand tells what may have been meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	if meant := words.Nearest(name, known); meant != "" {
		return fmt.Errorf("unknown command %q: do you mean %q? %s", name, meant, seeHelp(cmd))
	}
	return fmt.Errorf("unknown command %q: %s", name, seeHelp(cmd))
}

// flagMistake puts what the library says of flags into the words of the others.
func flagMistake(cmd *cobra.Command, err error) error {
	// A command that was misspelt has flags that its family does not know: they are not the mistake.
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return unknownCommand(cmd, args[0])
	}
	var unknown *pflag.NotExistError
	var bad *pflag.InvalidValueError
	switch {
	case errors.As(err, &bad):
		f := bad.GetFlag()
		return fmt.Errorf("--%s is %q: %s; %s", f.Name, bad.GetValue(), wanted(f), seeHelp(cmd))
	case !errors.As(err, &unknown):
	case cmd.HasSubCommands():
		return fmt.Errorf("%w: flags stand behind the command that they are for; %s", err, seeHelp(cmd))
	case unknown.GetSpecifiedShortnames() != "":
		return fmt.Errorf("%w: what begins with a dash and is no flag is written behind --; %s", err, seeHelp(cmd))
	default:
		if meant := nearestFlag(cmd, unknown.GetSpecifiedName()); meant != "" {
			return fmt.Errorf("%w: do you mean --%s? %s", err, meant, seeHelp(cmd))
		}
	}
	return fmt.Errorf("%w: %s", err, seeHelp(cmd))
}

func nearestFlag(cmd *cobra.Command, name string) string {
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	return words.Nearest(name, known)
}

// wanted is what can be written behind a flag.
func wanted(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "duration":
		return "write a number and a unit, as in 150ms or 10s"
	case "int":
		return "write a whole number"
	case "uint32", "uint64":
		return "write a whole number that is not negative"
	case "float64":
		return "write a number"
	case "bool":
		return "write --" + f.Name + " alone, or with =true or =false"
	}
	return "write a text"
}
