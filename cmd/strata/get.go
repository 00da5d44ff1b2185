package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/strata-exp/strata/internal/settings"
)

func newGet(env settings.LookupEnv) *cobra.Command {
	command := &cobra.Command{
		Use:   "get",
		Short: "List what there is, or show one of it",
	}
	command.AddCommand(
		newGetEnvironments(env),
		newGetLayers(env),
		newGetExperiments(env),
		newGetFields(env),
		newGetServices(env),
		newGetRevisions(env),
		newGetPlanes(env),
	)
	return command
}

// listFlags are the flags of all lists.
type listFlags struct {
	limit  int
	output outputFormat
}

func (f *listFlags) register(command *cobra.Command, limit int) {
	command.Flags().IntVar(&f.limit, "limit", limit, "how `many` to list at most; 0 for all")
	registerCompletion(command, "limit", cobra.NoFileCompletions)
	registerOutput(command, &f.output, asTable, asJSON, asYAML)
}

// pageSize keeps an answer of a page small, whatever the things in it.
const pageSize = 200

// pages fetches page after page, up to a limit if that is not 0. It reports
// whether there is more.
func pages[T any](
	ctx context.Context, limit int, fetch func(ctx context.Context, size int32, token string) (items []T, next string, err error),
) (all []T, more bool, err error) {
	if limit < 0 {
		return nil, false, fmt.Errorf("--limit %d: want no less than 0", limit)
	}
	token := ""
	for {
		size := pageSize
		if limit > 0 {
			size = min(size, limit-len(all))
		}
		items, next, err := fetch(ctx, int32(size), token)
		if err != nil {
			return nil, false, err
		}
		all = append(all, items...)
		switch {
		case limit > 0 && len(all) >= limit:
			return all[:limit], next != "" || len(all) > limit, nil
		case next == "":
			return all, false, nil
		case next == token:
			return nil, false, errors.New("the control plane answers the same page again and again")
		}
		token = next
	}
}

// tellMore says that a list is not all there is.
func tellMore(w io.Writer, more bool) {
	if more {
		fmt.Fprintln(w, "strata: note: there are more; --limit 0 lists all")
	}
}
