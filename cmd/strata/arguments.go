package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// one demands one argument.
func one(what string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("want %s, got %d arguments: %s", what, len(args), command.UseLine())
		}
		return nil
	}
}

// atMostOne allows one argument.
func atMostOne(what string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("want %s or nothing, got %d arguments: %s", what, len(args), command.UseLine())
		}
		return nil
	}
}

// parseID parses an eid or a vid.
func parseID(what, text string) (int32, error) {
	id, err := strconv.ParseInt(text, 10, 32)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%s %q: want a whole number from 1 on", what, text)
	}
	return int32(id), nil
}

func parseRevision(text string) (int64, error) {
	revision, err := strconv.ParseInt(text, 10, 64)
	if err != nil || revision < 1 {
		return 0, fmt.Errorf("revision %q: want a whole number from 1 on", text)
	}
	return revision, nil
}

// revisionFlag is the flag --revision: a pflag.Value.
type revisionFlag struct{ revision *int64 }

func (f revisionFlag) String() string { return "" } // no default that help could show

func (f revisionFlag) Type() string { return "number" }

func (f revisionFlag) Set(text string) (err error) {
	*f.revision, err = parseRevision(text)
	return err
}

func registerRevision(command *cobra.Command, revision *int64, usage string) {
	command.Flags().Var(revisionFlag{revision}, "revision", usage)
	registerCompletion(command, "revision", cobra.NoFileCompletions)
}
