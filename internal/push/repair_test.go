package push

import (
	"testing"
	"testing/synctest"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// repair shows other contents at the position where the bench is.
func (b *bench) repair() {
	b.Helper()
	before := b.hub.base
	v := b.world.view(b.last)
	for v.Hash() == before.Hash() {
		b.world.change()
		v = b.world.view(b.last)
	}
	b.oracle.tell(v)
	if !b.hub.Publish(v) {
		b.Fatal("other contents were not taken")
	}
	if b.hub.Publish(b.world.view(b.last)) || b.hub.Publish(before.With(view.Position{Epoch: 1}, nil, nil)) {
		b.Fatal("the same was taken, or what is earlier")
	}
}

// has says that a reader has what is there now.
func (b *bench) has(r *reader) {
	b.Helper()
	b.head(r)
	if r.held.Hash() != b.oracle.ask(b.last, r.scope).Hash() {
		b.Fatal("it has what was there before")
	}
}

func TestRepair(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		b.publish()
		r := b.reader()
		kinds := &kinds{sink: r}
		b.follow(b.plane, watchRequest(nil), kinds)
		sdk := newReader(b.oracle, newScope([]string{"service-1"}, false))
		b.follow(b.keys.add(servingv1.Role_ROLE_SDK, "service-1"), watchRequest(nil), sdk)
		b.head(r)
		for range 5 {
			b.repair()
			b.has(r)
			b.has(sdk)
			b.publish()
			b.has(r)
			b.has(sdk)
		}
		for i, kind := range kinds.seen {
			if want := []servingv1.Update_Kind{servingv1.Update_KIND_DELTA, servingv1.Update_KIND_FULL}[i%2]; i > 0 && kind != want {
				b.Fatalf("update %d is %v", i, kind)
			}
		}
		pass(time.Minute) // heartbeats fit
		b.has(r)
	})
}

// kinds notes of what kinds updates are.
type kinds struct {
	sink

	seen []servingv1.Update_Kind
}

func (k *kinds) Send(frame *servingv1.WatchResponse) error {
	if u := frame.GetUpdate(); u.GetLast() {
		k.seen = append(k.seen, u.GetKind())
	}
	return k.sink.Send(frame)
}

// TestRepairWhileSending says that a delta never starts from what was there
// before a repair, whatever came after it.
func TestRepairWhileSending(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		for _, then := range []func(){func() {}, b.publish, func() { b.publish(); b.publish() }, func() { b.publish(); b.repair() }} {
			r := b.reader()
			run := b.follow(b.plane, watchRequest(nil), &hasty{sink: r, publish: func() { b.repair(); then() }, left: 1})
			b.has(r)
			run.stop()
		}
	})
}

// TestResumeAfterRepair says that a relay sends everything to who comes back with
// what was there before.
func TestResumeAfterRepair(t *testing.T) {
	t.Parallel()
	setup(t, nil, func(b *bench) {
		b.publish()
		r := b.reader()
		b.follow(b.plane, watchRequest(nil), r).stop()
		b.repair()
		if hello := b.first(b.plane, r.token, r); hello.GetIntent() != servingv1.Hello_INTENT_FULL {
			b.Errorf("at the same position: %v", hello)
		}
		b.has(r)
		if hello := b.first(b.plane, r.token, r); hello.GetIntent() != servingv1.Hello_INTENT_NONE {
			b.Errorf("after that: %v", hello)
		}
		b.publish()
		synctest.Wait()
		if hello := b.first(b.plane, r.token, r); hello.GetIntent() != servingv1.Hello_INTENT_DELTA {
			b.Errorf("later: %v", hello)
		}
		b.has(r)
	})
}
