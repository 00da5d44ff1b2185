package fleet

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// Tap reads the config stream by itself, frame by frame, and records every frame.
// It shares no code with the followers that are tested.
type Tap struct {
	fleet    *Fleet
	name     string
	audience string
	key      *accesskey.Key
	scope    string
	url      func() string

	entities  history.Entities
	token     []byte
	parts     []*servingv1.Update
	transport *http.Transport
}

// Tap starts a tap on a server, which ends with the test. It comes back at once
// when its stream ends, with what it has.
func (f *Fleet) Tap(name, audience string, key *accesskey.Key, services []string, url func() string) *Tap {
	f.t.Helper()
	t := &Tap{fleet: f, name: name, audience: audience, key: key, scope: strings.Join(services, ","), url: url}
	t.transport = &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext, ResponseHeaderTimeout: 10 * time.Second}
	t.begin()
	f.Go("tap "+name, func(ctx context.Context) error {
		defer t.transport.CloseIdleConnections()
		for ctx.Err() == nil {
			err := t.watch(ctx)
			t.add(history.Event{What: history.End, Text: fmt.Sprint(err)})
			if Pause(ctx, 200*time.Millisecond) != nil {
				break
			}
		}
		return nil
	})
	return t
}

func (t *Tap) add(e history.Event) {
	e.Observer, e.Scope = t.name, t.scope
	t.fleet.Recorder.Add(e)
}

// begin forgets everything.
func (t *Tap) begin() {
	t.entities, t.token, t.parts = history.Entities{}, nil, nil
	t.add(history.Event{What: history.Start, Text: "fresh"})
}

func (t *Tap) watch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer t.transport.CloseIdleConnections()
	client := servingv1connect.NewConfigServiceClient(&http.Client{Transport: &accesskey.Transport{
		Key: t.key, Audience: t.audience, Next: t.transport, Sessions: func(string) bool { return true },
	}}, t.url())
	stream, err := client.Watch(ctx, &servingv1.WatchRequest{Environment: Environment, Instance: t.name, Client: "tap/1", ResumeToken: t.token})
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	watchdog := time.AfterFunc(3*t.fleet.options.Heartbeat, cancel)
	defer watchdog.Stop()
	t.parts = nil
	for stream.Receive() {
		watchdog.Reset(3 * t.fleet.options.Heartbeat)
		if err := t.take(stream.Msg()); err != nil {
			t.begin()
			return err
		}
	}
	return stream.Err()
}

func (t *Tap) take(frame *servingv1.WatchResponse) error {
	switch {
	case frame.GetHello() != nil:
		t.add(history.Event{What: history.Hello, Text: frame.GetHello().GetReason(), Kind: frame.GetHello().GetIntent().String()})
	case frame.GetUpdate() != nil:
		return t.update(frame.GetUpdate())
	case frame.GetHeartbeat() != nil:
		h := frame.GetHeartbeat()
		t.add(history.Event{What: history.Beat, Epoch: h.GetEpoch(), Revision: h.GetRevision(), Hash: hex.EncodeToString(h.GetHash())})
	case frame.GetGoodbye() != nil:
		t.add(history.Event{What: history.Goodbye, Kind: frame.GetGoodbye().GetReason().String()})
	}
	return nil
}

// update takes a part, and what all parts lead to after the last one.
func (t *Tap) update(u *servingv1.Update) error {
	if int(u.GetPart()) != len(t.parts) {
		return fmt.Errorf("part %d came where %d should", u.GetPart(), len(t.parts))
	}
	t.parts = append(t.parts, u)
	if !u.GetLast() {
		return nil
	}
	next, kind := maps.Clone(t.entities), history.Delta
	if u.GetKind() == servingv1.Update_KIND_FULL {
		next, kind = history.Entities{}, history.Full
	}
	for _, part := range t.parts {
		if err := apply(next, part.GetChanges()); err != nil {
			return err
		}
	}
	t.parts = nil
	t.entities, t.token = next, u.GetResumeToken()
	t.add(history.Event{
		What: history.Update, Kind: kind, Epoch: u.GetEpoch(), From: u.GetFromRevision(), Revision: u.GetToRevision(),
		Hash: hex.EncodeToString(u.GetHash()), Own: history.HashOf(next),
	})
	if int(u.GetEntityCount()) != len(next) {
		return fmt.Errorf("%d entities are announced, and there are %d", u.GetEntityCount(), len(next))
	}
	t.outside()
	return nil
}

// outside records what is held of services that are not followed.
func (t *Tap) outside() {
	if t.scope == "" {
		return
	}
	for e, payload := range t.entities {
		var service string
		switch configv1.EntityKind(e.Kind) {
		case configv1.EntityKind_ENTITY_KIND_EXPERIMENT:
			x := new(configv1.Experiment)
			if proto.Unmarshal(payload, x) == nil {
				service = x.GetService()
			}
		case configv1.EntityKind_ENTITY_KIND_LAYER:
			l := new(configv1.Layer)
			if proto.Unmarshal(payload, l) == nil {
				service = l.GetService()
			}
		default:
		}
		if service != "" && !strings.Contains(","+t.scope+",", ","+service+",") {
			t.add(history.Event{What: history.Outside, Text: e.Key + " of " + service})
		}
	}
}

func apply(entities history.Entities, part []byte) error {
	r, err := gzip.NewReader(bytes.NewReader(part))
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	changes := new(configv1.Changes)
	if err := proto.Unmarshal(data, changes); err != nil {
		return err
	}
	for _, d := range changes.GetDeletes() {
		delete(entities, history.Entity{Kind: uint8(d.GetKind()), Key: d.GetKey()})
	}
	for _, p := range changes.GetPuts() {
		entities[history.Entity{Kind: uint8(p.GetKind()), Key: p.GetKey()}] = p.GetPayload()
	}
	return nil
}

// Entities returns a copy of what the tap holds. It is for when nothing is sent.
func (t *Tap) Entities() history.Entities { return maps.Clone(t.entities) }

// TakeAll applies the updates of a fetch to what is held. The kind is that of the
// updates, empty if there are none.
func TakeAll(held history.Entities, frames []*servingv1.WatchResponse) (entities history.Entities, token []byte, kind string, err error) {
	entities = maps.Clone(held)
	for _, frame := range frames {
		u := frame.GetUpdate()
		switch {
		case u == nil:
			continue
		case u.GetKind() == servingv1.Update_KIND_DELTA:
			kind = history.Delta
		case u.GetPart() == 0:
			entities, kind = history.Entities{}, history.Full
		}
		if err := apply(entities, u.GetChanges()); err != nil {
			return nil, nil, "", err
		}
		token = u.GetResumeToken()
	}
	return entities, token, kind, nil
}
