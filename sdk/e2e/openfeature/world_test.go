package openfeature_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/strata-exp/strata/dataplane"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// world is a data plane of a folder, and a client of it.
type world struct {
	t      *testing.T
	key    *accesskey.Key
	keys   string // the file that has it
	client *strata.Client
}

// newWorld serves the suite's flags.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOf(t, conformance+"/config")
}

// newWorldOf serves a folder of layers and experiments.
func newWorldOf(t *testing.T, folder string) *world {
	t.Helper()
	key, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(&adminv1.AccessKeyServiceListResponse{AccessKeys: []*adminv1.AccessKey{{
		Key: &servingv1.PublicKey{AccessKey: key.AccessKey(), PublicKey: key.PublicKey(), Name: "suite", Role: servingv1.Role_ROLE_SDK},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, key: key, keys: filepath.Join(t.TempDir(), "keys.yaml")}
	if err := os.WriteFile(w.keys, text, 0o600); err != nil {
		t.Fatal(err)
	}
	url, stop := w.serve(folder)
	t.Cleanup(stop)
	w.client = w.connect(url)
	t.Cleanup(func() { _ = w.client.Close() }) // whether exposures were taken is another test's
	if err := w.client.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// serve starts a data plane of a folder. Its followers soon see that it has gone.
func (w *world) serve(folder string) (url string, stop func()) {
	w.t.Helper()
	config := dataplane.Default()
	config.HTTPAddr, config.MetricsAddr = "127.0.0.1:0", "127.0.0.1:0"
	config.Files.LayersDir, config.Files.ExperimentsDir = folder+"/layers", folder+"/experiments"
	config.Relay.KeysFile, config.Relay.Heartbeat = w.keys, 500*time.Millisecond
	config.Environment, config.DrainDelay = "suite", 0
	listening, ended := make(chan dataplane.Addresses, 1), make(chan error, 1)
	config.OnListening = func(a dataplane.Addresses) { listening <- a }
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- dataplane.Run(ctx, config) }()
	select {
	case a := <-listening:
		url = "http://" + a.HTTP.String()
	case err := <-ended:
		w.t.Fatal(err)
	}
	return url, func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

func (w *world) connect(url string) *strata.Client {
	w.t.Helper()
	client, err := strata.New(strata.Config{URL: url, AccessKey: w.key.AccessKey(), SecretKey: w.key.SecretKey()})
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}
