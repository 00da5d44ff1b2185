package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
	"github.com/strata-exp/strata/internal/settings"
)

func newGetLayers(env settings.LookupEnv) *cobra.Command {
	c := newConnection(env)
	var flags listFlags
	request := &adminv1.LayerServiceListRequest{}
	command := &cobra.Command{
		Use:     "layers [ID]",
		Aliases: []string{"layer"},
		Short:   "List layers in order of evaluation, or show one with its slots",
		Example: `  strata get layers --service ranker_svc
  strata get layer ranker_model`,
		Args: atMostOne("the id of a layer"), ValidArgsFunction: completeArgument(c.complete(layerIDs)),
	}
	c.register(command)
	f := command.Flags()
	f.StringVarP(&request.Service, "service", "s", "", "only layers of this service, by `name`, or with experiments of it")
	f.StringVar(&request.Owner, "owner", "", "only layers with this owner, by `name`")
	f.StringVar(&request.Tag, "tag", "", "only layers with this `tag`")
	f.StringVarP(&request.Query, "query", "q", "", "only layers whose id or description has this `text`")
	registerRevision(command, &request.Revision, "as of which revision; default the newest")
	registerCompletion(command, "service", c.complete(services))
	flags.register(command, 0)
	command.RunE = c.in(func(command *cobra.Command, s *server, args []string) error {
		if len(args) > 0 {
			return s.getLayer(command, args[0], request.GetRevision(), flags.output)
		}
		return s.listLayers(command, request, flags)
	})
	return command
}

func (s *server) getLayer(command *cobra.Command, id string, revision int64, output outputFormat) error {
	response, err := s.layers.Get(command.Context(),
		&adminv1.LayerServiceGetRequest{Environment: s.environment, LayerId: id, Revision: revision})
	if err != nil {
		return err
	}
	l := response.GetLayer()
	return output.write(command.OutOrStdout(), l, func(out io.Writer) error { return present.Layer(out, l) })
}

func (s *server) listLayers(command *cobra.Command, request *adminv1.LayerServiceListRequest, flags listFlags) error {
	all := &adminv1.LayerServiceListResponse{}
	request.Environment = s.environment
	found, more, err := pages(command.Context(), flags.limit,
		func(ctx context.Context, size int32, token string) ([]*adminv1.Layer, string, error) {
			request.PageSize, request.PageToken = size, token
			page, err := s.layers.List(ctx, request)
			all.TotalSize, all.Revision = page.GetTotalSize(), page.GetRevision()
			return page.GetLayers(), page.GetNextPageToken(), err
		})
	if err != nil {
		return err
	}
	all.Layers = found
	tellMore(command.ErrOrStderr(), more)
	return flags.output.write(command.OutOrStdout(), all, func(out io.Writer) error { return present.Layers(out, found) })
}
