package strata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"connectrpc.com/connect"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

const (
	// firstPause is the longest wait after a failure. It doubles with each one, up
	// to longestPause.
	firstPause   = 500 * time.Millisecond
	longestPause = time.Minute
	// answerTimeout is how long an answer may take, and closeTimeout how long all
	// that is left may take at the end.
	answerTimeout = 10 * time.Second
	closeTimeout  = 5 * time.Second
)

// delivery sends what is in an outbox, batch by batch, in order.
type delivery struct {
	outbox  *outbox
	service servingv1connect.EventServiceClient
	client  string
	hangUp  func() // frees what no call needs any more
	closing chan struct{}
	done    chan struct{} // run has ended
	expire  func()        // ends the calls of run
	failure error         // of the last batch; for run, and after it
}

// newDelivery returns what sends over HTTP, in the way that settings say.
func newDelivery(s settings, o *outbox) *delivery {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: answerTimeout}).DialContext,
		TLSHandshakeTimeout: answerTimeout,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true, // the framework does it
		ForceAttemptHTTP2:   true,
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if s.key != nil {
		client.Transport = &accesskey.Transport{Key: s.key, Audience: s.Audience, Next: transport}
	}
	return &delivery{
		outbox: o, service: servingv1connect.NewEventServiceClient(client, s.URL, connect.WithSendGzip()), client: software(),
		hangUp: client.CloseIdleConnections, closing: make(chan struct{}), done: make(chan struct{}),
	}
}

// start has a goroutine send until close.
func (d *delivery) start() {
	ctx, expire := context.WithCancel(context.Background())
	d.expire = expire
	go func() {
		defer close(d.done)
		defer d.hangUp()
		d.run(ctx)
	}()
}

// close sends what is left, as long as there is time. The error says what is lost.
func (d *delivery) close() error {
	d.outbox.shut()
	close(d.closing)
	limit := time.AfterFunc(closeTimeout, d.expire)
	<-d.done
	limit.Stop()
	d.expire()
	batch, _ := d.outbox.batch()
	lost := 0
	for ; len(batch) > 0; batch, _ = d.outbox.batch() {
		lost += len(batch)
		d.outbox.remove(len(batch))
	}
	if lost == 0 {
		return nil
	}
	d.outbox.drop(lost, "the client was closed before they could be sent")
	return fmt.Errorf("strata: %d exposures and events could not be sent: %w", lost, cmp.Or(d.failure, context.DeadlineExceeded))
}

// run sends until the closing, and then what is left until ctx ends.
func (d *delivery) run(ctx context.Context) {
	pause := time.Duration(0) // after a failure
	hurried := false          // by the closing: there is no time for long pauses
	for ctx.Err() == nil {
		batch, due := d.outbox.batch()
		switch {
		case len(batch) > 0 && pause > 0:
			d.wait(ctx, pause/2+rand.N(pause/2))
		case len(batch) > 0 && (d.isClosing() || !time.Now().Before(due)):
		case len(batch) > 0:
			d.waitUntilDue(time.Until(due))
			continue
		case d.isClosing():
			return
		default:
			d.waitUntilDue(-1)
			continue
		}
		if d.failure = d.send(ctx, batch); d.failure == nil {
			pause = 0
			d.outbox.remove(len(batch))
			continue
		}
		if !hurried && d.isClosing() {
			hurried, pause = true, 0
		}
		pause = min(max(2*pause, firstPause), longestPause)
	}
}

func (d *delivery) isClosing() bool {
	select {
	case <-d.closing:
		return true
	default:
		return false
	}
}

// waitUntilDue waits for a time, for ever if that is negative, or until there may
// be more to send, or the closing.
func (d *delivery) waitUntilDue(most time.Duration) {
	var timeout <-chan time.Time
	if most >= 0 {
		timeout = time.After(most)
	}
	select {
	case <-timeout:
	case <-d.outbox.due:
	case <-d.closing:
	}
}

// wait waits for a time, or until ctx ends or the closing comes.
func (d *delivery) wait(ctx context.Context, most time.Duration) {
	news := d.closing
	if d.isClosing() {
		news = nil
	}
	select {
	case <-time.After(most):
	case <-ctx.Done():
	case <-news:
	}
}

// send sends a batch. What it has no error for is done with: it was taken, or
// never will be.
func (d *delivery) send(ctx context.Context, batch []entry) error {
	request := &servingv1.RecordRequest{Client: d.client}
	for _, e := range batch {
		if e.exposure != nil {
			request.Exposures = append(request.Exposures, e.exposure)
		} else {
			request.Events = append(request.Events, e.event)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	response, err := d.service.Record(ctx, request)
	switch {
	case err == nil:
		if refusals := response.GetRefusals(); len(refusals) > 0 {
			d.outbox.drop(len(refusals), "the server refuses some as malformed")
		}
		return nil
	case isFinal(err):
		d.outbox.drop(len(batch), "the server takes none: "+connect.CodeOf(err).String())
		return nil
	default:
		return err
	}
}

// isFinal reports whether to send the same again would fail again.
func isFinal(err error) bool {
	failure, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return false
	}
	switch failure.Code() {
	case connect.CodeUnimplemented, connect.CodeNotFound, connect.CodePermissionDenied, connect.CodeInvalidArgument:
		return true
	default:
		return false
	}
}
