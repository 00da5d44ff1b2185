package push

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// refused reports whether a stream was not begun for now, and says how often
// that happened for a cause.
func (b *bench) refused(run *running, c cause, times float64) bool {
	b.Helper()
	select {
	case <-run.done:
	default:
		return false
	}
	if got := reasonOf(run.err); got != servingv1.ErrorReason_ERROR_REASON_OVERLOADED {
		b.Errorf("refused by %v", run.err)
	}
	if got := b.refusals(c); got != times {
		b.Errorf("%v refusals by %s, want %v", got, c, times)
	}
	return true
}

func (b *bench) refusals(c cause) float64 {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.server.metrics.refused)
	families, err := registry.Gather()
	if err != nil {
		b.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == string(c) {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestStreamsPerKey(t *testing.T) {
	t.Parallel()
	setup(t, func(c *Config) { c.Options.MaxStreams, c.Options.MaxStreamsPerKey = 20, 5 }, func(b *bench) { // two for planes
		b.publish()
		sdk := func() *reader { return newReader(b.oracle, newScope(nil, false)) }
		greedy := b.keys.add(servingv1.Role_ROLE_SDK)
		var runs []*running
		for i := range 5 {
			runs = append(runs, b.follow(greedy, watchRequest(nil), sdk()))
			if b.refused(runs[i], causeStreamsOfKey, 0) {
				b.Fatalf("stream %d was refused", i)
			}
		}
		if !b.refused(b.follow(greedy, watchRequest(nil), sdk()), causeStreamsOfKey, 1) {
			b.Error("one key has more than it may have")
		}
		runs[0].stop()
		if b.refused(b.follow(greedy, watchRequest(nil), sdk()), causeStreamsOfKey, 1) {
			b.Error("there is no room after one has gone")
		}
		for i := range 13 { // 18 of others
			if b.refused(b.follow(b.keys.add(servingv1.Role_ROLE_SDK), watchRequest(nil), sdk()), causeOverloaded, 0) {
				b.Fatalf("stream %d of others was refused", i)
			}
		}
		if !b.refused(b.follow(b.keys.add(servingv1.Role_ROLE_SDK), watchRequest(nil), sdk()), causeOverloaded, 1) {
			b.Error("the reserve of planes was taken")
		}
		var planes []*running
		for range 2 {
			planes = append(planes, b.follow(b.plane, watchRequest(nil), b.reader()))
		}
		if b.refused(planes[0], causeOverloaded, 1) || b.refused(planes[1], causeOverloaded, 1) {
			b.Error("a plane was refused while there is a reserve")
		}
		if !b.refused(b.follow(b.plane, watchRequest(nil), b.reader()), causeOverloaded, 2) {
			b.Error("there are more than there may be")
		}
		for _, run := range b.runs {
			run.stop()
		}
		if a := b.server.admission; a.open != 0 || a.planes != 0 || len(a.keys) != 0 {
			b.Errorf("after all have gone: %d, %d planes, %v", a.open, a.planes, a.keys)
		}
		for range 20 { // planes are not bounded by key
			if b.refused(b.follow(b.plane, watchRequest(nil), b.reader()), causeOverloaded, 2) {
				b.Fatal("a plane was refused while there is room")
			}
		}
	})
}

func TestScopesPerKey(t *testing.T) {
	t.Parallel()
	setup(t, func(c *Config) { c.Options.MaxScopesPerKey = 8 }, func(b *bench) {
		b.publish()
		sdk, other := b.keys.add(servingv1.Role_ROLE_SDK), b.keys.add(servingv1.Role_ROLE_SDK)
		open := func(key string, services ...string) *running {
			return b.follow(key, watchRequest(nil, services...), newReader(b.oracle, newScope(services, false)))
		}
		var runs []*running
		for i := range 8 {
			runs = append(runs, open(sdk, serviceName(i)))
			if b.refused(runs[i], causeScopesOfKey, 0) {
				b.Fatalf("scope %d was refused", i)
			}
		}
		if !b.refused(open(sdk, "one more"), causeScopesOfKey, 1) {
			b.Error("one key has more scopes than it may have")
		}
		for name, run := range map[string]*running{
			"all that the key may have": open(sdk), "a scope that it has": open(sdk, serviceName(3)), "another key": open(other, "one more"),
		} {
			if b.refused(run, causeScopesOfKey, 1) {
				b.Errorf("%s was refused", name)
			}
		}
		before := b.hub.Scopes()
		runs[0].stop()
		for i := range 20 { // one after another: each takes the place of the one before
			if run := open(sdk, serviceName(100+i)); b.refused(run, causeScopesOfKey, 1) {
				b.Fatalf("scope %d was refused", i)
			} else {
				run.stop()
			}
		}
		b.publish() // which sweeps
		if got := b.hub.Scopes(); got != before {
			b.Errorf("%d scopes, before it were %d", got, before)
		}
		for _, run := range b.runs {
			run.stop()
		}
		pass(6 * time.Minute)
		b.publish()
		if got := b.hub.Scopes(); got != 0 || len(b.hub.ledger) != 0 {
			b.Errorf("%d scopes are left, and %v", got, b.hub.ledger)
		}
	})
}
