package strata

import (
	"context"
	"errors"
	"strings"
	"testing"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/view"
)

// TestSettings has New name everything that is wrong at once.
func TestSettings(t *testing.T) {
	for _, name := range []string{"STRATA_URL", "STRATA_ACCESS_KEY", "STRATA_SECRET_KEY", "STRATA_ENVIRONMENT", "STRATA_CACHE_DIR"} {
		t.Setenv(name, "")
	}
	_, err := New(Config{})
	if err == nil || !strings.Contains(err.Error(), "STRATA_URL") {
		t.Errorf("without a URL: %v", err)
	}
	_, err = New(Config{
		URL: "localhost:8080", AccessKey: "sak_x", SecretKey: "ssk_x", CacheDir: t.TempDir(),
		Services: []string{"a", "", strings.Repeat("b", 257)}, Instance: strings.Repeat("i", 257),
	})
	for _, want := range []string{"STRATA_URL", "STRATA_SECRET_KEY", "STRATA_ENVIRONMENT", "service 1 ", "service 2 ", "instance"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s named in: %v", want, err)
		}
	}
	_, err = New(Config{URL: "http://host?q=1", Environment: strings.Repeat("e", 64), Services: make([]string, 1001)})
	for _, want := range []string{"query", "64 bytes", "1001 services"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s named in: %v", want, err)
		}
	}
	_, err = New(Config{URL: "http://host", Environment: "e\xff", Services: []string{"s\xff"}, Instance: "i\xff"})
	for _, want := range []string{"environment", "service 0 ", "instance"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s named in: %v", want, err)
		}
	}
}

// TestSettingsOfTheEnvironment leaves everything to the environment's variables.
func TestSettingsOfTheEnvironment(t *testing.T) {
	s := serve(t)
	s.demo(1)
	for name, value := range map[string]string{
		"STRATA_URL": s.url(), "STRATA_ACCESS_KEY": s.key.AccessKey(), "STRATA_SECRET_KEY": s.key.SecretKey(),
		"STRATA_ENVIRONMENT": "prod", "STRATA_CACHE_DIR": t.TempDir(),
	} {
		t.Setenv(name, value)
	}
	c := open(t, Config{})
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestReadyGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	s := serve(t)
	other, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	config := s.config()
	config.AccessKey, config.SecretKey = other.AccessKey(), other.SecretKey()
	c := open(t, config)
	for refused := c.follower.Changed(); c.Status().Err == nil; refused = c.follower.Changed() {
		<-refused
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Ready(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "key") {
		t.Errorf("want why there is none: %v", err)
	}
	waiting := make(chan error)
	go func() { waiting <- c.Ready(context.Background()) }()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waiting; !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestChanges follows a client from nothing to its end.
func TestChanges(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := open(t, s.config())
	told := changes(c)
	expect := func(want string) {
		t.Helper()
		if got := <-told; got != want {
			t.Errorf("told %s\nwant %s", got, want)
		}
	}
	once := make(chan Change, 10)
	stop := c.OnChange(func(change Change) { once <- change })

	s.demo(1)
	expect("0>1 NOT_READY>READY [svc.a svc.count svc.large svc.list svc.null svc.obj.n svc.obj.own svc.on svc.ratio svc.text]")
	<-once
	stop()
	stop()
	s.publish(2, experiment(t, 20, 21, `{"a":"newer"}`, nil))
	expect("1>2 READY>READY [svc.a svc.obj.own]")
	if got := c.Evaluate("svc", fromTheUS).GetString("a", ""); got != "newer" {
		t.Errorf("evaluated is %q", got)
	}

	s.publish(3, experiment(t, 20, 21, `{"a":`, nil)) // which nobody can run
	for changed := c.follower.Changed(); len(c.Status().Faults) == 0; changed = c.follower.Changed() {
		<-changed
	}
	if status := c.Status(); status.Revision != 2 || status.Epoch != 5 || status.State != "READY" || !strings.Contains(status.Faults[0], "20") {
		t.Errorf("status %+v", status)
	}
	s.publish(4, experiment(t, 20, 21, `{"a":"mended"}`, nil))
	expect("2>4 READY>READY [svc.a]")

	s.stop()
	expect("4>4 READY>STALE []")
	if status := c.Status(); status.State != "STALE" || status.Err == nil || status.StaleFor < 3*heartbeat {
		t.Errorf("status %+v", status)
	}
	s.start()
	expect("4>4 STALE>READY []")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	expect("4>4 READY>CLOSED []")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if c.Status().State != "CLOSED" || c.Evaluate("svc", fromTheUS).GetString("a", "") != "mended" {
		t.Error("a closed client does not evaluate what it has")
	}
	if len(once) > 0 {
		t.Error("who has stopped listening is told")
	}
}

// TestStartFromDisk starts a client while no server is there.
func TestStartFromDisk(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.demo(1)
	config := s.config()
	config.CacheDir = t.TempDir()
	before := open(t, config)
	if err := before.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	s.stop()

	c := open(t, config)
	defer func() { _ = c.Close() }() // nobody takes the exposures
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Ready(ctx); err != nil {
		t.Error(err)
	}
	if status := c.Status(); status.State != "STALE" || status.Revision != 1 {
		t.Errorf("status %+v", status)
	}
	if !c.Knows("svc", "obj.own") {
		t.Error("what is on the disk is not known")
	}
	told := changes(c)
	s.start()
	if got := <-told; got != "1>1 STALE>READY []" {
		t.Error(got)
	}
}

// TestServices follows one service alone.
func TestServices(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.demo(1)
	s.publish(2, entity(t, view.ExperimentKey(40), &configv1.Experiment{
		Eid: 40, Service: "other", Variants: []*configv1.Variant{{Vid: 41, ParamsJson: `{"b":1}`}},
	}), layer(t, "third", 300, 41))
	all, one := s.client(), s.client(func(c *Config) { c.Services = []string{"svc"} })
	if !all.Knows("svc", "a") || !all.Knows("other", "b") || !one.Knows("svc", "a") || one.Knows("other", "b") {
		t.Error("what was asked for is not what is known")
	}
}
