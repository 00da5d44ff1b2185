// Package follow holds the client's side of the config stream: it keeps an
// environment's configuration as new as its server has it, over any number of
// lost connections, and never gives up or takes back what it has. What runs, and
// what is passed on, is the business of a Sink. It knows nothing of evaluation.
//
// Two configurations are kept apart. The replicated one is the newest that was
// received whole; it is what the server continues from, and what relays pass on.
// The active one runs, and is another one only while what was received since can
// not be run.
package follow

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
	"github.com/strata-exp/strata/sdk/go/lastgood"
	"github.com/strata-exp/strata/sdk/go/view"
)

// Sink is what a Follower hands over to. Its methods are called one at a time,
// but for Followers, and the stream waits for them.
type Sink interface {
	// Replicated takes the newest configuration that was received whole, before
	// it is activated. Its position is that of the one before it, or a later one.
	Replicated(v *view.View)
	// Activate makes a configuration the one that runs. If it can not be run, the
	// one before goes on, and the error, view.Faults, says why; the next one is
	// tried as usual.
	Activate(v *view.View) error
	// Keys takes all keys that may follow the environment, the same or newer ones
	// each time.
	Keys(version int64, keys []*servingv1.PublicKey)
	// Confirm says that so long ago what was replicated last was the newest
	// configuration that there was.
	Confirm(ago time.Duration)
	// Followers returns who follows the caller. It may be called at any time.
	Followers() []*servingv1.Followers
}

// Protocol is how calls are encoded.
type Protocol int

const (
	// Connect is the protocol of Connect. It needs nothing but HTTP/1.1.
	Connect Protocol = iota
	// GRPC is the protocol of gRPC. It needs HTTP/2.
	GRPC
	// GRPCWeb is the protocol of gRPC-Web. It needs nothing but HTTP/1.1.
	GRPCWeb
)

// Config says what is followed, and how.
type Config struct {
	// URL is where the server is, such as "https://control.example.com".
	URL string
	// Environment is what is followed. Empty is the one that a data plane serves;
	// with LastGood it must not be empty, since what is on disk must not be taken
	// for that of another environment.
	Environment string
	// Services, if not empty, are those that are followed alone.
	Services []string
	// Instance tells the caller from all others, as long as it lives.
	Instance string
	// Client is the caller's software and its version, such as
	// "strata-dataplane/1.2.0".
	Client string
	// Key signs the calls. Nil leaves them unsigned.
	Key *accesskey.Key
	// Audience is the name of the server that signatures are for. Empty is
	// "control-plane".
	Audience string
	// TLS is for https. Nil is the default of crypto/tls.
	TLS *tls.Config
	// ClearHTTP2 uses HTTP/2 for http, as GRPC always does. Otherwise it is
	// HTTP/1.1 for http, and what the server prefers for https.
	ClearHTTP2 bool
	// HTTPClient sends instead of clients of the Follower's own, which TLS,
	// ClearHTTP2, Key and Audience are for.
	HTTPClient connect.HTTPClient
	// Protocol is how calls are encoded.
	Protocol Protocol
	// Sink is what is handed over to. It must not be nil.
	Sink Sink
	// LastGood keeps the active configuration, which is used again at the same URL
	// alone. Nil keeps none.
	LastGood *lastgood.Store
	// LongestWait is the longest wait after a failure. 0 is 30 s, for servers with
	// many followers.
	LongestWait time.Duration
	// Log is told what happens. Nil is nobody.
	Log *slog.Logger
	// Timers are for tests. What is zero is as it should be.
	Timers Timers
}

// Follower follows a server. Its methods are safe for concurrent use.
type Follower struct {
	config Config
	client client
	log    *slog.Logger
	held   *held
	ran    atomic.Bool
	// readers are the goroutines that read streams.
	readers sync.WaitGroup
}

// New returns a Follower that has nothing, and does nothing before Run. The
// error names what is wrong with the Config.
func New(config Config) (*Follower, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	config.Services = slices.Compact(slices.Sorted(slices.Values(config.Services)))
	config.Audience = cmp.Or(config.Audience, defaultAudience)
	config.Log = cmp.Or(config.Log, slog.New(slog.DiscardHandler))
	config.Timers.LongestWait = cmp.Or(config.Timers.LongestWait, config.LongestWait)
	config.Timers = config.Timers.withDefaults()
	return newFollower(config, dial(config)), nil
}

func newFollower(config Config, client client) *Follower {
	return &Follower{config: config, client: client, log: config.Log, held: newHeld(config)}
}

func (c *Config) check() error {
	at, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return fmt.Errorf("the server's URL: %w", err)
	case at.Scheme != "http" && at.Scheme != "https" || at.Host == "":
		return fmt.Errorf("the server's URL is %q: want one such as https://control.example.com", c.URL)
	case at.RawQuery != "" || at.Fragment != "":
		return fmt.Errorf("the server's URL is %q: want one without a query and a fragment", c.URL)
	case c.Sink == nil:
		return errors.New("there is no sink to hand configurations to")
	case c.Instance == "" || len(c.Instance) > maxNameBytes:
		return fmt.Errorf("the instance is %q: want 1 to %d bytes", c.Instance, maxNameBytes)
	case len(c.Client) > maxNameBytes:
		return fmt.Errorf("the client is %q: want at most %d bytes", c.Client, maxNameBytes)
	case len(c.Services) > maxServices:
		return fmt.Errorf("%d services: want at most %d", len(c.Services), maxServices)
	case slices.Contains(c.Services, ""):
		return errors.New("a service has no name")
	case c.LastGood != nil && c.Environment == "":
		return errors.New("the environment has no name, which it needs for its last good configuration to be kept")
	case c.LongestWait < 0:
		return fmt.Errorf("the longest wait is %v: want 0 or more", c.LongestWait)
	case c.Protocol < Connect || c.Protocol > GRPCWeb:
		return fmt.Errorf("there is no protocol %d", c.Protocol)
	}
	return nil
}

// upstreamOf returns the name by which what is kept on disk tells servers apart:
// a valid URL as others may write it too, without what only says who asks.
func upstreamOf(server string) string {
	at, err := url.Parse(server)
	if err != nil {
		return "" // there is no Follower of such a one
	}
	host := strings.ToLower(at.Host)
	if port := at.Port(); port == "" || port == map[string]string{"http": "80", "https": "443"}[at.Scheme] {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return at.Scheme + "://" + host + strings.TrimRight(at.EscapedPath(), "/")
}

// Load hands the last good configuration, with its keys, to the sink. It reports
// false if there is none that is whole, of the URL, the environment and the
// services, and runs. It is for before Run.
func (f *Follower) Load() bool {
	if f.config.LastGood == nil {
		return false
	}
	content := f.config.LastGood.Load(upstreamOf(f.config.URL), f.config.Environment, f.config.Services)
	if content == nil {
		return false
	}
	return f.held.restore(content)
}

// Status returns how the follower is.
func (f *Follower) Status() Status { return f.held.status() }

// Changed returns a channel that is closed at the next change of what Status
// returns, but for times and counts. Take it before looking, so that no change is
// missed.
func (f *Follower) Changed() <-chan struct{} { return f.held.changes() }

// Run follows until ctx ends, and returns nil then. What was received stays with
// the sink, whatever servers say. The error is that of a second Run.
func (f *Follower) Run(ctx context.Context) error {
	if f.ran.Swap(true) {
		return errors.New("a follower runs once")
	}
	defer f.client.Close()
	defer f.readers.Wait()
	defer f.held.stop()
	var background sync.WaitGroup
	defer background.Wait()
	// What is written last is what was activated last, so that writing ends after
	// the stream, and not with ctx.
	writing, written := context.WithCancel(context.WithoutCancel(ctx))
	defer written()
	if f.config.LastGood != nil {
		background.Go(func() { f.config.LastGood.Run(writing) })
	}
	background.Go(func() { f.report(ctx) })
	pace := newPace(f.config.Timers)
	for polls := false; ; {
		ended := f.attempt(ctx, polls, pace.anew)
		if ctx.Err() != nil {
			return nil
		}
		next := pace.next(ended, time.Now())
		f.held.ended(ended)
		f.log.LogAttrs(ctx, ended.level(), "the config stream has ended, what was received goes on being used",
			slog.String("cause", ended.cause.String()), slog.Any("error", ended.err),
			slog.Duration("wait", next.wait), slog.Bool("anew", pace.anew))
		polls = next.polls
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next.wait):
		}
	}
}

func (f *Follower) attempt(ctx context.Context, polls, anew bool) ending {
	if polls {
		return f.poll(ctx, anew)
	}
	return f.watch(ctx, anew)
}

// request is what is asked of the server, from the replicated configuration on or
// anew.
func (f *Follower) request(anew bool) *servingv1.WatchRequest {
	request := &servingv1.WatchRequest{
		Environment: f.config.Environment, Services: f.config.Services,
		Instance: f.config.Instance, Client: f.config.Client,
	}
	if !anew {
		request.ResumeToken = f.held.resumeToken()
	}
	return request
}
