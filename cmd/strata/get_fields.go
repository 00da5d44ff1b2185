package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/explain"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newGetFields(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var flags listFlags
	request := &adminv1.FieldServiceListRequest{}
	command := &cobra.Command{
		Use:     "fields [NAME]",
		Aliases: []string{"field"},
		Short:   "List declared context fields, or show one",
		Args:    atMostOne("the name of a field"), ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.register(command)
	registerRevision(command, &request.Revision, "as of which revision; default the newest")
	flags.register(command, 0)
	command.RunE = c.in(func(command *cobra.Command, s *server, args []string) error {
		if len(args) > 0 {
			return s.getField(command, args[0], request, flags.output)
		}
		all, more, err := s.listFields(command.Context(), request, flags.limit)
		if err != nil {
			return err
		}
		tellMore(command.ErrOrStderr(), more)
		return flags.output.write(command.OutOrStdout(), all, func(out io.Writer) error { return present.Fields(out, all.GetFields()) })
	})
	return command
}

// getField looks for a field in the list: there is no other way to get one.
func (s *server) getField(command *cobra.Command, name string, request *adminv1.FieldServiceListRequest, output outputFormat) error {
	all, _, err := s.listFields(command.Context(), request, 0)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all.GetFields(), func(f *configv1.Field) bool { return f.GetName() == name })
	if i < 0 {
		return fmt.Errorf("%s has no declared field %s", s.environment, explain.Printable(name))
	}
	field := all.GetFields()[i]
	return output.write(command.OutOrStdout(), field, func(out io.Writer) error { return present.Fields(out, []*configv1.Field{field}) })
}

func (s *server) listFields(
	ctx context.Context, request *adminv1.FieldServiceListRequest, limit int,
) (all *adminv1.FieldServiceListResponse, more bool, err error) {
	all = &adminv1.FieldServiceListResponse{}
	request.Environment = s.environment
	all.Fields, more, err = pages(ctx, limit, func(ctx context.Context, size int32, token string) ([]*configv1.Field, string, error) {
		request.PageSize, request.PageToken = size, token
		page, err := s.fields.List(ctx, request)
		all.TotalSize, all.Revision = page.GetTotalSize(), page.GetRevision()
		return page.GetFields(), page.GetNextPageToken(), err
	})
	return all, more, err
}
