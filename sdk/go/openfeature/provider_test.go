package openfeature

import (
	"context"
	"errors"
	"testing"

	"github.com/open-feature/go-sdk/openfeature"
	"go.uber.org/goleak"

	"github.com/strata-exp/strata/sdk/go"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// alone returns a client whose server is not there.
func alone(t *testing.T) *strata.Client {
	t.Helper()
	client, err := strata.New(strata.Config{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// TestNotReady asks before there is anything, and again after the end.
func TestNotReady(t *testing.T) {
	t.Parallel()
	client := alone(t)
	p := New(client, WithTargetingKey("user_id"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := p.InitWithContext(ctx, openfeature.EvaluationContext{})
	if failure, ok := errors.AsType[*openfeature.ProviderInitError](err); !ok || failure.ErrorCode != openfeature.ProviderNotReadyCode {
		t.Errorf("Init returns %v", err)
	}
	if event := <-p.EventChannel(); event.EventType != openfeature.ProviderError || event.Message == "" {
		t.Errorf("told is %+v", event)
	}
	got := p.StringEvaluation(t.Context(), "svc.a", "-", openfeature.FlattenedContext{"targetingKey": "u"})
	if got.Value != "-" || got.ResolutionDetail().ErrorCode != openfeature.ProviderNotReadyCode || got.Reason != openfeature.ErrorReason {
		t.Errorf("read is %+v", got)
	}
	if err := client.Close(); err != nil {
		t.Error(err)
	}
	if event := <-p.EventChannel(); event.ErrorCode != openfeature.ProviderFatalCode {
		t.Errorf("told is %+v", event)
	}
	p.Shutdown()
}

// TestNobodyReads has more events than wait, and sees the latest.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	p := New(alone(t))
	p.events.start(p.client)
	defer p.Shutdown()
	states := []string{stateStale, stateReady}
	for i := range 10 * maxWaiting {
		p.events.take(strata.Change{StateBefore: states[(i+1)%2], StateAfter: states[i%2]})
	}
	var last openfeature.Event
	for range maxWaiting {
		last = <-p.EventChannel()
	}
	if last.EventType != openfeature.ProviderReady || len(p.EventChannel()) > 0 {
		t.Errorf("the last event is %+v", last)
	}
	p.events.take(strata.Change{StateBefore: stateReady, StateAfter: stateReady, Keys: []string{"svc.a"}})
	if event := <-p.EventChannel(); event.EventType != openfeature.ProviderConfigChange || event.FlagChanges[0] != "svc.a" {
		t.Errorf("told is %+v", event)
	}
	if len(p.EventChannel()) > 0 {
		t.Error("a status is told of again")
	}
}

// TestStartAgain forgets what nobody has read before.
func TestStartAgain(t *testing.T) {
	t.Parallel()
	p := New(alone(t))
	for range 2 {
		p.events.start(p.client)
		if n := len(p.EventChannel()); n > 0 {
			t.Errorf("%d events are left of the last time", n)
		}
		p.events.become(openfeature.ProviderReady)
		p.Shutdown()
	}
}

// TestTrackWaitsForNobody tracks where nothing can be sent.
func TestTrackWaitsForNobody(t *testing.T) {
	t.Parallel()
	client := alone(t)
	p := New(client, WithTargetingKey("user_id"))
	p.Track(t.Context(), "checkout", openfeature.NewEvaluationContext("u", nil), openfeature.NewTrackingEventDetails(2).Add("n", 1))
	if got := client.Status().Dropped; got != 1 {
		t.Errorf("%d are dropped, want one: nobody knows yet whom layers hash", got)
	}
}
