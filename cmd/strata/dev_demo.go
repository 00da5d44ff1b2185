package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/dataplane"
	democonfig "github.com/strata-exp/strata/examples"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/internal/present"
)

// seed makes the environment, with what it begins with, if it is not there or has
// never had anything in it.
func (f *devFlags) seed(ctx context.Context, c *connection) error {
	s := newServer(c)
	defer s.close()
	there, err := s.environments.Get(ctx, &adminv1.EnvironmentServiceGetRequest{Environment: f.environment})
	missing := connect.CodeOf(err) == connect.CodeNotFound
	if err != nil && !missing || there.GetEnvironment().GetRevision() > 1 {
		return err
	}
	changes, err := f.demoChanges()
	if err != nil {
		return err
	}
	if missing {
		_, err = s.environments.Create(ctx, &adminv1.EnvironmentServiceCreateRequest{
			Environment: &adminv1.Environment{Name: f.environment, Description: "Made by strata dev."},
		})
	}
	if err != nil || len(changes) == 0 {
		return err
	}
	_, err = s.revisions.Apply(ctx, &adminv1.RevisionServiceApplyRequest{
		Environment: f.environment, Changes: changes, Message: "The examples",
	})
	return err
}

// demoChanges reads what a new environment begins with.
func (f *devFlags) demoChanges() (_ []*adminv1.Change, err error) {
	folder := f.demo
	if folder == "" {
		copied, err := os.MkdirTemp("", "strata-demo-")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(copied)) }()
		if err := os.CopyFS(copied, democonfig.Configs); err != nil {
			return nil, err
		}
		folder = filepath.Join(copied, "configs")
	}
	set, err := readChanges([]string{folder}, nil)
	if err != nil {
		return nil, err
	}
	return set.changes, nil
}

// greeting is what there is to tell once everything runs.
type greeting struct {
	keys  *devKeys
	admin controlplane.Listening
	data  dataplane.Addresses
	where string
	took  time.Duration
}

// greet says what runs where, and what to try. Then it waits for the end.
func (f *devFlags) greet(ctx context.Context, out io.Writer, g greeting) error {
	s := newServer(g.keys.connection(f.environment))
	defer s.close()
	answer, err := s.environments.Get(ctx, &adminv1.EnvironmentServiceGetRequest{Environment: f.environment})
	if err != nil {
		return err
	}
	e := answer.GetEnvironment()
	fmt.Fprintf(out, `
Strata is ready, %.1f s after it was started.

  evaluations   http://%s/experiment
  admin API     http://%s, described at /openapi.yaml
  config stream http://%s
  metrics       http://%s/metrics, http://%s/metrics
  environment   %s at revision %d: %s, %s
  data          %s
%s
Try in another terminal:

  curl -s http://%s/experiment -d '{"services": ["ranker_svc"], "context": {"user_id": "user_12345", "country": "US", "age": 25}}'
  bin/strata get experiments

Ctrl-C stops all of it.
`, g.took.Seconds(), g.data.HTTP, g.admin.HTTP, g.admin.Push, g.data.Metrics, g.admin.Metrics,
		e.GetName(), e.GetRevision(), present.Count(int(e.GetLayerCount()), "layer"), present.Count(int(e.GetExperimentCount()), "experiment"), g.where, g.keys.tell(),
		g.data.HTTP)
	<-ctx.Done()
	return nil
}
