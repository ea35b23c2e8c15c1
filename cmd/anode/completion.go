package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var shells = []string{"bash", "fish", "powershell", "zsh"}

func completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Write a script by which a shell completes commands and flags",
		Long: `Write a script by which a shell completes anode's commands, flags and what can stand behind them, to standard output, for
bash, fish, powershell or zsh. For one session:

  bash         source <(anode completion bash)
  fish         anode completion fish | source
  powershell   anode completion powershell | Out-String | Invoke-Expression
  zsh          source <(anode completion zsh)

For all sessions write it where the shell looks: see the examples. For bash the package bash-completion must be there.

The exit code is 0, or 1 when there is no such shell.`,
		Example: "  anode completion bash > /etc/bash_completion.d/anode\n" +
			"  anode completion fish > ~/.config/fish/completions/anode.fish\n" +
			"  anode completion zsh > \"${fpath[1]}/_anode\"",
		Args:                  oneShell,
		ValidArgsFunction:     cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(os.Stdout, true)
			case "fish":
				return root.GenFishCompletion(os.Stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(os.Stdout)
			default:
				return root.GenZshCompletion(os.Stdout)
			}
		},
	}
}

func oneShell(cmd *cobra.Command, args []string) error {
	if err := exactly(1)(cmd, args); err != nil {
		return err
	}
	return oneOf("the shell", args[0], shells)
}

func helpCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "help [COMMAND]",
		Short:                 "Show how a command is used",
		Long:                  "Show how a command is used, as `anode COMMAND --help` does. The exit code is 0, or 1 when there is no such command.",
		Example:               "  anode help get\n  anode help config check",
		DisableFlagsInUseLine: true,
	}
	// The commands below the one that is named so far.
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
		if about, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
			for _, c := range about.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		about, rest, err := cmd.Root().Find(args)
		switch {
		case err != nil:
			return err
		case len(rest) > 0 && about.HasSubCommands():
			return unknownCommand(about, rest[0])
		case len(rest) > 0:
			return fmt.Errorf("%s has no commands below it, such as %q", about.CommandPath(), rest[0])
		}
		about.InitDefaultHelpFlag() // which the help is to show
		return about.Help()
	}
	return cmd
}

// complete gives a command and those below it what a shell needs to complete them where they have not said it themselves:
// files are offered where a file can stand, which the flag's help says, and nowhere else.
func complete(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, told := cmd.GetFlagCompletionFunc(f.Name); told {
			return
		}
		directive := cobra.ShellCompDirectiveNoFileComp
		switch stands, _ := pflag.UnquoteUsage(f); stands {
		case "file":
			directive = cobra.ShellCompDirectiveDefault
		case "directory":
			directive = cobra.ShellCompDirectiveFilterDirs
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(nil, directive)) // the flag is there
	})
	for _, c := range cmd.Commands() {
		complete(c)
	}
}

// choices has the values of a flag completed.
func choices(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
}

// oneFile offers files for the first argument.
func oneFile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}
