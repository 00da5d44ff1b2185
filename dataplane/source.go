package dataplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/strata-exp/strata/dataplane/internal/api"
	"github.com/strata-exp/strata/dataplane/internal/metrics"
	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/dataplane/internal/source"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/follow"
	"github.com/strata-exp/strata/sdk/go/lastgood"
)

func newSource(c *Config, holder *snapshot.Holder, relay source.Relay, log *slog.Logger) (source.Source, error) {
	switch c.Source {
	case SourceStream:
		config, err := followConfig(c, log)
		if err != nil {
			return nil, err
		}
		return source.NewStream(config, holder, relay, log)
	case SourceEtcd:
		return source.NewEtcd(c.Etcd, holder, log), nil
	case SourceConsul:
		return source.NewConsul(c.Consul, holder, log), nil
	default:
		paths := manifest.Paths{Layers: c.Files.LayersDir, Experiments: c.Files.ExperimentsDir, Fields: c.Files.FieldsFile}
		return source.NewFiles(paths, holder, log), nil
	}
}

// observe has the stream of a source, if it follows one, stand in the metrics and
// the details of the health.
func observe(s source.Source, registry prometheus.Registerer, health *api.Health) {
	stream, ok := s.(*source.Stream)
	if !ok {
		return
	}
	metrics.RegisterStream(registry,
		func() bool { return !stream.Status().Connected.IsZero() },
		func() int64 { return stream.Status().LastGoodFailures })
	health.ReportStream(func() api.Stream { return report(stream.Status()) })
}

func report(status follow.Status) api.Stream {
	r := api.Stream{State: "waiting"}
	switch status.State {
	case servingv1.PlaneState_PLANE_STATE_SYNCED:
		r.State = "synced"
	case servingv1.PlaneState_PLANE_STATE_STALE:
		r.State = "stale"
	case servingv1.PlaneState_PLANE_STATE_REJECTED:
		r.State = "rejected"
	}
	if !status.Connected.IsZero() {
		r.ConnectedSince = new(status.Connected.UTC())
	}
	if status.Err != nil {
		r.Error = status.Err.Error()
	}
	return r
}

// runSource runs a source. One that waits for others is started here, so that the
// plane answers meanwhile that it is not ready.
func runSource(ctx context.Context, c *Config, s source.Source, r *relay, holder *snapshot.Holder) error {
	var relaying sync.WaitGroup
	defer relaying.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.Source != SourceStream && c.Relay.KeysFile != "" { // else nobody could follow
		relaying.Go(func() { source.Views(ctx, holder, r, r.log) })
	}
	if c.Source != SourceFiles {
		if err := s.Start(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
	return s.Run(ctx)
}

// whenReady says when the first configuration is served, and waits for the end.
func (c *Config) whenReady(ctx context.Context, holder *snapshot.Holder) error {
	for changed := holder.Changed(); holder.Current() == nil; changed = holder.Changed() {
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
	if c.OnReady != nil {
		c.OnReady()
	}
	<-ctx.Done()
	return nil
}

func followConfig(c *Config, log *slog.Logger) (follow.Config, error) {
	key, err := accesskey.Parse(c.Stream.AccessKey, c.Stream.SecretKey)
	if err != nil {
		return follow.Config{}, err
	}
	config := follow.Config{
		URL: c.Stream.URL, Environment: c.Environment, Services: c.Stream.Services,
		Instance: c.Stream.Instance, Client: "strata-dataplane/" + c.Version,
		Key: key, Audience: c.Stream.Audience, ClearHTTP2: c.Stream.HTTP2,
		// Data planes are few, and people wait for them: what they publish has to be
		// served within seconds of an outage's end. SDKs are many, and wait longer.
		LongestWait: 5 * time.Second,
	}
	if config.Instance == "" {
		if config.Instance, err = os.Hostname(); err != nil {
			return config, fmt.Errorf("--instance: the host has no name, so give one: %w", err)
		}
	}
	if c.Stream.CAFile != "" {
		if config.TLS, err = trust(c.Stream.CAFile); err != nil {
			return config, fmt.Errorf("--control-plane-ca-file %s: %w", c.Stream.CAFile, err)
		}
	}
	if c.Stream.CacheDir != "" {
		config.LastGood = lastgood.New(c.Stream.CacheDir, log)
	}
	return config, nil
}

// trust returns a configuration that knows servers by the certificates in a file.
func trust(file string) (*tls.Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, errors.New("it has no certificate in PEM")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
