package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// swarm is what all of its followers share.
type swarm struct {
	url     string
	report  time.Duration
	streams http.RoundTripper
	calls   servingv1connect.ConfigServiceClient

	mu        sync.Mutex
	arrivals  map[int64][]int64 // by revision: when each follower had it, in Unix nanoseconds
	at        map[int]int64     // by follower: where it is
	connected int
	ended     map[string]int64
}

func newSwarm(url string, key *accesskey.Key, report time.Duration) *swarm {
	sign := func(next http.RoundTripper) http.RoundTripper {
		return &accesskey.Transport{Key: key, Audience: "data-plane", Next: next, Sessions: func(string) bool { return true }}
	}
	s := &swarm{url: url, report: report, arrivals: map[int64][]int64{}, at: map[int]int64{}, ended: map[string]int64{}}
	// A connection for each stream: it is busy as long as that lasts.
	s.streams = sign(&http.Transport{
		DialContext:    (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10, DisableCompression: true, MaxIdleConnsPerHost: -1,
	})
	s.calls = servingv1connect.NewConfigServiceClient(&http.Client{Transport: sign(&http.Transport{MaxIdleConnsPerHost: 32, MaxConnsPerHost: 32})}, url)
	return s
}

// follow follows until ctx ends. It comes back when it is told to, or after a
// random time.
func (s *swarm) follow(ctx context.Context, i int) {
	for wait := time.Duration(0); ; {
		if fleet.Pause(ctx, wait) != nil {
			return
		}
		err := s.watch(ctx, i)
		if ctx.Err() != nil {
			return
		}
		s.mu.Lock()
		s.ended[reason(err)]++
		s.mu.Unlock()
		wait = time.Second + rand.N(9*time.Second)
	}
}

// reason is short, so that equal ones count together.
func reason(err error) string { text := err.Error(); return text[:min(len(text), 60)] }

const (
	envelopeBytes = 5
	endOfStream   = 2
)

func (s *swarm) watch(ctx context.Context, i int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	instance := fmt.Sprint("swarm-", i)
	message, err := proto.Marshal(&servingv1.WatchRequest{Environment: fleet.Environment, Instance: instance, Client: "swarm/1"})
	if err != nil {
		return err
	}
	body := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+servingv1connect.ConfigServiceWatchProcedure, bytes.NewReader(append(body, message...)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/connect+proto")
	request.Header.Set("Connect-Protocol-Version", "1")
	response, err := s.streams.RoundTrip(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	c := &connection{swarm: s, follower: i, instance: instance}
	defer c.end()
	for {
		if err := c.frame(ctx, response.Body); err != nil {
			return err
		}
	}
}

// connection is a stream of one follower.
type connection struct {
	swarm    *swarm
	follower int
	instance string
	begun    bool
	buffer   []byte
	stop     func() bool
}

func (c *connection) end() {
	if c.stop != nil {
		c.stop()
	}
	if c.begun {
		c.swarm.mu.Lock()
		c.swarm.connected--
		c.swarm.mu.Unlock()
	}
}

// frame reads a frame.
func (c *connection) frame(ctx context.Context, r io.Reader) error {
	var envelope [envelopeBytes]byte
	if _, err := io.ReadFull(r, envelope[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(envelope[1:]))
	if cap(c.buffer) < n {
		c.buffer = make([]byte, n)
	}
	frame := c.buffer[:n]
	if _, err := io.ReadFull(r, frame); err != nil {
		return err
	}
	if cap(c.buffer) > 4<<10 {
		c.buffer = nil // the first one is large, and there are thousands of followers
	}
	if envelope[0]&endOfStream != 0 {
		return errors.New(string(frame))
	}
	return c.take(ctx, frame)
}

// take looks where a frame leads.
func (c *connection) take(ctx context.Context, frame []byte) error {
	number, kind, n := protowire.ConsumeTag(frame)
	if n < 0 || kind != protowire.BytesType {
		return errors.New("no frame")
	}
	content, n := protowire.ConsumeBytes(frame[n:])
	switch {
	case n < 0:
		return errors.New("a frame is cut")
	case number == 1:
		hello := new(servingv1.Hello)
		if err := proto.Unmarshal(content, hello); err != nil {
			return err
		}
		c.begin(ctx, hello.GetStreamId())
	case number == 2:
		if to, last := leadsTo(content); last {
			c.arrive(to)
		}
	case number == 5:
		return errors.New("goodbye")
	}
	return nil
}

// leadsTo reads to_revision and last of an Update.
func leadsTo(update []byte) (to int64, last bool) {
	for len(update) > 0 {
		number, kind, n := protowire.ConsumeTag(update)
		if n < 0 {
			return 0, false
		}
		update = update[n:]
		if kind != protowire.VarintType {
			if n = protowire.ConsumeFieldValue(number, kind, update); n < 0 {
				return 0, false
			}
			update = update[n:]
			continue
		}
		value, n := protowire.ConsumeVarint(update)
		if n < 0 {
			return 0, false
		}
		update = update[n:]
		switch number {
		case 4:
			to = int64(value)
		case 6:
			last = value != 0
		}
	}
	return to, last
}

func (c *connection) begin(ctx context.Context, stream string) {
	s := c.swarm
	s.mu.Lock()
	s.connected++
	s.mu.Unlock()
	c.begun = true
	if s.report == 0 {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() { // which is set below, once there is a timer to set

		// One that fails is made again; the stream ends if too many do.
		_, _ = s.calls.ReportStatus(ctx, &servingv1.ReportStatusRequest{
			Environment: fleet.Environment, StreamId: stream,
			Status: &servingv1.Status{Instance: c.instance, Client: "swarm/1", State: servingv1.PlaneState_PLANE_STATE_SYNCED},
		})
		if ctx.Err() == nil {
			timer.Reset(s.report)
		}
	})
	timer.Reset(rand.N(s.report))
	c.stop = timer.Stop
}

// arrive notes a revision, with those that were merged into it.
func (c *connection) arrive(to int64) {
	now := time.Now().UnixNano()
	s := c.swarm
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.at[c.follower] + 1
	if from == 1 {
		from = to // what was before it is not known to this one
	}
	for r := from; r <= to; r++ {
		s.arrivals[r] = append(s.arrivals[r], now)
	}
	s.at[c.follower] = to
}
