package feed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/strata-exp/strata/controlplane/internal/fault"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/internal/obs"
	"github.com/strata-exp/strata/internal/push"
	"github.com/strata-exp/strata/sdk/go/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func change(t *testing.T, s *state.State, changes ...state.Change) *state.State {
	t.Helper()
	version := s.Version()
	version.Revision++
	result, err := s.Apply(version, changes)
	if err != nil {
		t.Fatal(err)
	}
	return result.State
}

func layer(id, description string) state.Change {
	return state.Change{Layer: &adminv1.Layer{LayerId: id, Salt: id, HashKey: "user_id", Description: description}}
}

func field(name string, typ configv1.FieldType) state.Change {
	return state.Change{Field: &configv1.Field{Name: name, Type: typ}}
}

func service(name string, most int) state.Change {
	return state.Change{Service: &adminv1.Service{Service: name, SchemaJson: fmt.Sprintf(`{"maxProperties":%d}`, most)}}
}

// TestAdvance compares what is made step by step with what is made at once.
func TestAdvance(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	is := state.Empty(state.Version{Epoch: 7, Revision: 1})
	seen, err := advance(nil, nil, is)
	if err != nil || seen.Position() != (view.Position{Epoch: 7, Revision: 1}) {
		t.Fatalf("got %v, %v", seen.Position(), err)
	}
	for range 200 {
		was := is
		for range random.IntN(3) + 1 { // what came in between is merged
			name := fmt.Sprintf("r%d", random.IntN(20))
			switch random.IntN(4) {
			case 3:
				is = change(t, is, service("s", random.IntN(3)))
			case 0:
				is = change(t, is, layer(name, strconv.Itoa(random.IntN(3))))
			case 1:
				is = change(t, is, field(name, configv1.FieldType(1+random.IntN(4))))
			default:
				if is.Resource(state.LayerID(name)) != nil {
					is = change(t, is, state.Change{Delete: state.LayerID(name)})
				}
			}
		}
		if seen, err = advance(seen, was, is); err != nil {
			t.Fatal(err)
		}
		whole, err := advance(nil, nil, is)
		if err != nil {
			t.Fatal(err)
		}
		if seen.Hash() != whole.Hash() || seen.Len() != whole.Len() || seen.Position() != whole.Position() {
			t.Fatalf("at %v: step by step %v, at once %v", is.Version(), seen.Hash(), whole.Hash())
		}
	}
}

// TestAdvanceLeavesOut what planes do not get.
func TestAdvanceLeavesOut(t *testing.T) {
	t.Parallel()
	was := change(t, state.Empty(state.Version{Epoch: 7, Revision: 1}), layer("a", "before"))
	is := change(t, was, layer("a", "after"), service("s", 1))
	before, err := advance(nil, nil, was)
	if err != nil {
		t.Fatal(err)
	}
	after, err := advance(before, was, is)
	if err != nil {
		t.Fatal(err)
	}
	if before.Hash() != after.Hash() || after.Position().Revision != is.Revision() {
		t.Errorf("a description or a schema reaches planes: %v, %v", before.Hash(), after.Hash())
	}
	gone := change(t, is, state.Change{Delete: state.ServiceID("s")})
	last, err := advance(after, is, gone)
	if err != nil || last.Hash() != after.Hash() || last.Len() != 1 {
		t.Errorf("a deletion of a schema reaches planes: %v, %v", last.Len(), err)
	}
}

// store is a Store whose states the test hands over.
type store struct {
	mu      sync.Mutex
	head    *state.State // nil once the environment is gone
	changed chan struct{}
	failing bool
}

func (s *store) set(head *state.State, failing bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.head, s.failing = head, failing
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) Follow(ctx context.Context, environment string, has *state.State) (*state.State, error) {
	for {
		s.mu.Lock()
		head, failing, changed := s.head, s.failing, s.changed
		s.mu.Unlock()
		switch {
		case failing:
			return nil, context.DeadlineExceeded
		case head == nil:
			return nil, fault.NoEnvironment(environment)
		case head != has:
			return head, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *store) Head(_ context.Context, environment string) (*state.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head == nil {
		return nil, fault.NoEnvironment(environment)
	}
	return s.head, nil
}

func (s *store) Stale(string) time.Duration { return 0 }

func TestFeed(t *testing.T) {
	t.Parallel()
	first := state.Empty(state.Version{Epoch: 7, Revision: 1})
	s := &store{head: first, changed: make(chan struct{})}
	f := New(s, func(environment string) *push.Hub { return push.NewHub(environment, push.NewSealer(nil)) }, obs.Discard())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()

	hub, err := f.Hub(t.Context(), "prod")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.Hub(t.Context(), "prod"); err != nil || again != hub {
		t.Errorf("got another hub, %v", err)
	}
	until := func(revision int64) {
		for hub.Position().Revision < revision {
			tick(t)
		}
	}
	until(1)
	second := change(t, first, layer("a", ""))
	s.set(second, true) // the database goes away, and comes back
	s.set(second, false)
	until(2)

	s.set(nil, false)
	for f.known("prod") != nil {
		tick(t)
	}
	if _, err := f.Hub(t.Context(), "prod"); err == nil {
		t.Error("an environment that is gone is served")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// tick waits for the next look at something that another goroutine does.
func tick(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(time.Millisecond):
	case <-t.Context().Done():
		t.Fatal("the test has ended")
	}
}
