package source

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/sdk/go/view"
)

// Views makes what followers get of the configurations that a holder has, for
// sources that bring messages and not bytes. It hands over each one, and how old
// what is there may be each second, until ctx ends.
func Views(ctx context.Context, holder *snapshot.Holder, relay Relay, log *slog.Logger) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	v := newEncoder()
	for {
		changed := holder.Changed()
		if running := holder.Current(); running != nil && v.last != running {
			next, err := v.advance(running)
			if err != nil {
				log.Error("a configuration can not be handed on to followers", "error", err)
			} else {
				relay.Publish(next)
			}
		}
		if stale, known := holder.Stale(); known {
			relay.Confirm(stale)
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// encoder makes entities of messages. A message that stays is not encoded again.
type encoder struct {
	view  *view.View
	known map[view.Key]proto.Message
	last  *snapshot.Snapshot
}

func newEncoder() encoder { return encoder{view: view.Empty(), known: map[view.Key]proto.Message{}} }

func (e *encoder) advance(running *snapshot.Snapshot) (*view.View, error) {
	e.last = running
	s := running.Ruleset.Snapshot()
	next := make(map[view.Key]proto.Message, len(e.known))
	for _, l := range s.GetLayers() {
		next[view.LayerKey(l.GetLayerId())] = l
	}
	for _, x := range s.GetExperiments() {
		next[view.ExperimentKey(x.GetEid())] = x
	}
	for _, f := range s.GetFields() {
		next[view.FieldKey(f.GetName())] = f
	}
	var puts []*view.Entity
	for key, message := range next {
		if e.known[key] == message {
			continue
		}
		payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
		if err != nil {
			return nil, err
		}
		puts = append(puts, view.NewEntity(key, payload))
	}
	var deletes []view.Key
	for key := range e.known {
		if next[key] == nil {
			deletes = append(deletes, key)
		}
	}
	e.known = next
	e.view = e.view.With(view.Position{Epoch: running.Epoch, Revision: running.Revision()}, puts, deletes)
	return e.view, nil
}
