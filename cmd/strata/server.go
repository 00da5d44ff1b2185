package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"connectrpc.com/connect"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// callTimeout is how long a call may take. A change of a large configuration
// takes some seconds.
const callTimeout = 2 * time.Minute

// authorHeader names who makes a change.
const authorHeader = "Strata-Author"

// server is a control plane, seen from a command.
type server struct {
	url string
	// environment is what the command is about; empty until it is chosen.
	environment string
	// key signs what is sent; nil for nothing. keySource says where it was found.
	key                 *accesskey.Key
	keySource, audience string

	environments adminv1connect.EnvironmentServiceClient
	layers       adminv1connect.LayerServiceClient
	experiments  adminv1connect.ExperimentServiceClient
	fields       adminv1connect.FieldServiceClient
	services     adminv1connect.ServiceServiceClient
	revisions    adminv1connect.RevisionServiceClient
	previews     adminv1connect.PreviewServiceClient
	keys         adminv1connect.AccessKeyServiceClient
	planes       adminv1connect.PlaneServiceClient

	transport *http.Transport
	client    connect.HTTPClient // which signs
	options   connect.ClientOption
	// wait waits between attempts. The error is the context's.
	wait func(context.Context, time.Duration) error
}

// newServer connects to nothing yet. The server has to be closed.
func newServer(c *connection) *server {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	client := &http.Client{Transport: transport}
	audience := cmp.Or(c.audience, defaultAudience)
	if c.key != nil {
		client.Transport = &accesskey.Transport{Key: c.key, Audience: audience, Next: transport}
	}
	options := connect.WithInterceptors(caller{author: c.author})
	return &server{
		url:          c.server,
		environment:  c.environment,
		key:          c.key,
		keySource:    c.keySource,
		audience:     audience,
		environments: adminv1connect.NewEnvironmentServiceClient(client, c.server, options),
		layers:       adminv1connect.NewLayerServiceClient(client, c.server, options),
		experiments:  adminv1connect.NewExperimentServiceClient(client, c.server, options),
		fields:       adminv1connect.NewFieldServiceClient(client, c.server, options),
		services:     adminv1connect.NewServiceServiceClient(client, c.server, options),
		revisions:    adminv1connect.NewRevisionServiceClient(client, c.server, options),
		previews:     adminv1connect.NewPreviewServiceClient(client, c.server, options),
		keys:         adminv1connect.NewAccessKeyServiceClient(client, c.server, options),
		planes:       adminv1connect.NewPlaneServiceClient(client, c.server, options),
		transport:    transport,
		client:       client,
		options:      options,
		wait:         waitFor,
	}
}

func (s *server) close() { s.transport.CloseIdleConnections() }

// chooseEnvironment takes the only environment there is where none is named.
func (s *server) chooseEnvironment(ctx context.Context) error {
	if s.environment != "" {
		return nil
	}
	response, err := s.environments.List(ctx, &adminv1.EnvironmentServiceListRequest{})
	if err != nil {
		return err
	}
	switch all := response.GetEnvironments(); len(all) {
	case 0:
		return fmt.Errorf("%s has no environment yet: \"strata create environment NAME\" makes one", s.url)
	case 1:
		s.environment = all[0].GetName()
		return nil
	default:
		names := make([]string, len(all))
		for i, e := range all {
			names[i] = e.GetName()
		}
		return fmt.Errorf("want an environment: --env NAME, or STRATA_ENV; %s has %s", s.url, some(names))
	}
}

// caller says who calls, and gives up when a call takes too long.
type caller struct{ author string }

func (c caller) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, request connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		if c.author != "" {
			request.Header().Set(authorHeader, c.author)
		}
		return next(ctx, request)
	}
}

func (c caller) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (c caller) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return next
}

// waitFor waits for a time, or for the end of the context.
func waitFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
