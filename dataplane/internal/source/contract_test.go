package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// fixture is the store of a source, as the contract sees it: empty at first.
// Documents are named as in a folder, such as "layers/a.json".
type fixture interface {
	// promises says what this source does that not all do.
	promises() promises
	// edit changes documents, in one transaction if the store has such.
	edit(tb testing.TB, edits ...edit)
	// source returns a source of the store that has not started.
	source(holder *snapshot.Holder, log *slog.Logger) Source
	// cut makes the store unreachable, and mend reachable again. They are called if
	// there can be outages.
	cut()
	mend()
}

// edit is a document's new text, "" to delete it.
type edit struct{ name, text string }

// promises are what sources differ in.
type promises struct {
	// transactions: what one edit changes is never served in part.
	transactions bool
	// outages: the store may be out of reach.
	outages bool
	// faults: the store takes documents that are at fault.
	faults bool
	// epochs: the store has the epoch under a key.
	epochs bool
	// waits: Start waits for a configuration without a fault, where others end with
	// an error.
	waits bool
}

// testContract tests what all sources have to do. Each behaviour gets a store of
// its own.
func testContract(t *testing.T, open func(t *testing.T) fixture) {
	t.Helper()
	for _, behaviour := range []struct {
		name string
		test func(*contract)
		on   func(promises) bool
	}{
		{"the first configuration", (*contract).first, always},
		{"a change is served", (*contract).change, always},
		{"documents come, go and are renamed", (*contract).documents, always},
		{"many changes end in the last", (*contract).burst, always},
		{"the same again is no revision", (*contract).same, always},
		{"what did not change is not compiled again", (*contract).unchanged, always},
		{"a transaction is served as one", (*contract).transaction, func(p promises) bool { return p.transactions }},
		{"a fault changes nothing", (*contract).fault, func(p promises) bool { return p.faults }},
		{"a later epoch", (*contract).epochs, func(p promises) bool { return p.epochs }},
		{"an epoch that is none, or an earlier one", (*contract).badEpochs, func(p promises) bool { return p.epochs }},
		{"a fault at the start ends it", (*contract).faultEndsStart, func(p promises) bool { return p.faults && !p.waits }},
		{"a fault at the start is waited out", (*contract).faultAtStart, func(p promises) bool { return p.faults && p.waits }},
		{"nothing at the start is waited out", (*contract).nothingAtStart, func(p promises) bool { return p.waits }},
		{"an outage", (*contract).outage, func(p promises) bool { return p.outages }},
		{"an outage at the start", (*contract).outageAtStart, func(p promises) bool { return p.outages && p.waits }},
		{"the end", (*contract).end, always},
		{"the end while nothing can be reached", (*contract).endInOutage, func(p promises) bool { return p.outages && p.waits }},
	} {
		t.Run(behaviour.name, func(t *testing.T) {
			t.Parallel()
			c := &contract{t: t, fixture: open(t), log: &lines{}}
			if !behaviour.on(c.promises()) {
				t.Skip("not promised by this source")
			}
			c.holder = snapshot.NewHolder(c.now)
			behaviour.test(c)
		})
	}
}

func always(promises) bool { return true }

// contract is a source under test.
type contract struct {
	fixture
	t      testing.TB
	holder *snapshot.Holder
	log    *lines
	ahead  atomic.Int64 // how far the holder's clock is ahead
	source Source
}

func (c *contract) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// open makes a source of the store.
func (c *contract) open() {
	c.source = c.fixture.source(c.holder, slog.New(slog.NewTextHandler(c.log, nil)))
}

// put changes documents.
func (c *contract) put(edits ...edit) { c.t.Helper(); c.edit(c.t, edits...) }

// basics are one layer and one experiment that answers with a value.
func (c *contract) basics(value string) {
	c.t.Helper()
	c.put(edit{"layers/a.json", layer("a")}, edit{"experiments/1.json", experiment(value)})
}

// begin serves one layer and one experiment, and follows the store until the
// test ends.
func (c *contract) begin(value string) {
	c.t.Helper()
	c.basics(value)
	c.start()
	c.follow()
}

// start serves what there is.
func (c *contract) start() {
	c.t.Helper()
	c.open()
	c.startOpened()
}

func (c *contract) startOpened() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), limit)
	defer cancel()
	if err := c.source.Start(ctx); err != nil {
		failure, _ := c.holder.Failure()
		c.t.Fatalf("%v, failure: %v\n%s", err, failure.Err, c.log.text())
	}
}

func (c *contract) follow() {
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.source.Run(ctx) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
}

// beginAside starts the source, which is expected to wait, and then follows the
// store.
func (c *contract) beginAside() {
	c.open()
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() {
		err := c.source.Start(ctx)
		if err == nil {
			err = c.source.Run(ctx)
		}
		done <- err
	}()
	c.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) { // of a Start that still waits
			c.t.Error(err)
		}
	})
}

// answer is what a configuration answers.
func answer(s *snapshot.Snapshot) string {
	if s == nil {
		return ""
	}
	return s.Ruleset.Evaluate("svc", engine.Context{{Name: "user_id", Value: engine.StringValue("u")}}, nil, nil).Parameters
}

func value(v string) string { return fmt.Sprintf(`{"v":%q}`, v) }

// await waits until a condition holds.
func (c *contract) await(what string, condition func() bool) {
	c.t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond) // not all that is waited for is told as a change
	defer again.Stop()
	for !condition() {
		select {
		case <-again.C:
		case <-deadline.C:
			failure, _ := c.holder.Failure()
			stale, _ := c.holder.Stale()
			c.t.Fatalf("not yet: %s; it answers %s, stale for %v, failure: %v\n%s",
				what, answer(c.holder.Current()), stale, failure.Err, c.log.text())
		}
	}
}

func (c *contract) awaitAnswer(want string) {
	c.t.Helper()
	c.await("answer "+want, func() bool { return answer(c.holder.Current()) == want })
}

func (c *contract) awaitFailure(texts ...string) {
	c.t.Helper()
	c.await("failure "+strings.Join(texts, " "), func() bool {
		failure, ok := c.holder.Failure()
		for _, text := range texts {
			ok = ok && strings.Contains(failure.Err.Error(), text)
		}
		return ok
	})
}

func (c *contract) awaitNoFailure() {
	c.t.Helper()
	c.await("no failure", func() bool { _, failed := c.holder.Failure(); return !failed })
}

// confirmedAnew waits until the source has heard of the store again, and again.
func (c *contract) confirmedAnew() {
	c.t.Helper()
	for range 3 { // the first one may have been on its way
		c.ahead.Add(int64(time.Hour))
		c.await("news", func() bool { stale, _ := c.holder.Stale(); return stale < time.Hour })
	}
}

// published checks how many configurations have been served.
func (c *contract) published(want int64) {
	c.t.Helper()
	if got, _ := c.holder.Loads(); got != want {
		c.t.Errorf("%d configurations were served, want %d", got, want)
	}
}

func (c *contract) first() {
	c.begin("one")
	current := c.holder.Current()
	if answer(current) != value("one") || current.Revision() < 1 {
		c.t.Errorf("revision %d answers %s", current.Revision(), answer(current))
	}
	if stale, known := c.holder.Stale(); !known || stale > limit {
		c.t.Errorf("stale for %v, %v", stale, known)
	}
	c.published(1)
}

func (c *contract) change() {
	c.begin("one")
	before := c.holder.Current()
	for _, v := range []string{"two", "six", "ten"} {
		c.put(edit{"experiments/1.json", experiment(v)})
		c.awaitAnswer(value(v))
		after := c.holder.Current()
		if after.Epoch < before.Epoch || after.Epoch == before.Epoch && after.Revision() <= before.Revision() {
			c.t.Errorf("revision %d of epoch %d after %d of %d", after.Revision(), after.Epoch, before.Revision(), before.Epoch)
		}
		before = after
	}
	c.published(4)
}

// second is an experiment in a layer of its own that answers under w.
func second(v string) (l, e string) {
	l = strings.ReplaceAll(layer("b"), "11", "22")
	return l, fmt.Sprintf(`{"eid": 2, "service": "svc", "variants": [{"vid": 22, "params": {"w": %q}}]}`, v)
}

func (c *contract) documents() {
	c.begin("one")
	l, e := second("x")
	c.put(edit{"layers/b.json", l}, edit{"experiments/2.json", e})
	c.awaitAnswer(`{"v":"one","w":"x"}`)
	c.put(edit{"experiments/2.json", ""}, edit{"layers/b.json", ""})
	c.awaitAnswer(value("one"))
	c.awaitNoFailure()
	c.put(edit{"experiments/one.json", experiment("one")}, edit{"experiments/1.json", ""})
	c.put(edit{"experiments/one.json", experiment("two")})
	c.awaitAnswer(value("two"))
	c.put(edit{"fields.yaml", "age: int\n"})
	c.await("a field", func() bool { return len(c.holder.Current().Ruleset.Snapshot().GetFields()) == 1 })
	c.put(edit{"fields.yaml", ""}, edit{"experiments/one.json", experiment("ten")})
	c.await("no field", func() bool { return len(c.holder.Current().Ruleset.Snapshot().GetFields()) == 0 })
	c.awaitAnswer(value("ten"))
	c.awaitNoFailure()
}

func (c *contract) burst() {
	c.begin("one")
	for i := range 50 {
		c.put(edit{"experiments/1.json", experiment(fmt.Sprintf("n%d", i))})
	}
	c.awaitAnswer(value("n49"))
	c.awaitNoFailure()
}

func (c *contract) same() {
	c.begin("one")
	c.basics("one")
	c.put(edit{"experiments/1.yaml", "{eid: 1, service: svc, variants: [{vid: 11, params: {v: one}}]}"}, edit{"experiments/1.json", ""})
	c.put(edit{"elsewhere/1.json", "{"}, edit{"experiments/.hidden.json", "{"}, edit{"experiments/README.md", "no"})
	c.put(edit{"experiments/1.yaml", "{eid: 1, service: svc, variants: [{vid: 11, params: {v: two}}]}"})
	c.awaitAnswer(value("two"))
	c.awaitNoFailure()
	c.published(2)
}

func (c *contract) unchanged() {
	c.basics("one")
	l, e := second("x")
	c.put(edit{"layers/b.json", l}, edit{"experiments/2.json", e})
	c.begin("one")
	before := c.holder.Current().Ruleset.Snapshot()
	c.put(edit{"experiments/1.json", experiment("two")})
	c.awaitAnswer(`{"v":"two","w":"x"}`)
	after := c.holder.Current().Ruleset.Snapshot()
	for i, l := range before.GetLayers() {
		if after.GetLayers()[i] != l {
			c.t.Errorf("layer %s is another message", l.GetLayerId())
		}
	}
	for i, e := range before.GetExperiments() {
		if shared := after.GetExperiments()[i] == e; shared != (e.GetEid() == 2) {
			c.t.Errorf("experiment %d: shared is %v", e.GetEid(), shared)
		}
	}
}

func (c *contract) transaction() {
	l, e := second("0")
	c.put(edit{"layers/b.json", l}, edit{"experiments/2.json", e})
	c.begin("0")
	const last = 40
	var half atomic.Pointer[string]
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			changed := c.holder.Changed()
			text := answer(c.holder.Current())
			var v, w int
			if _, err := fmt.Sscanf(text, `{"v":"%d","w":"%d"}`, &v, &w); err != nil || v != w {
				half.Store(&text)
				return
			}
			if v == last {
				return
			}
			select {
			case <-changed:
			case <-c.t.Context().Done():
				return
			}
		}
	})
	for i := 1; i <= last; i++ {
		v := strconv.Itoa(i)
		_, e := second(v)
		c.put(edit{"experiments/1.json", experiment(v)}, edit{"experiments/2.json", e})
	}
	c.awaitAnswer(fmt.Sprintf(`{"v":"%d","w":"%d"}`, last, last))
	watching.Wait()
	if text := half.Load(); text != nil {
		c.t.Errorf("half of a transaction was served: %s", *text)
	}
	if _, refused := c.holder.Loads(); refused > 0 {
		c.t.Error("a part of a transaction was refused")
	}
}

func (c *contract) fault() {
	c.begin("one")
	c.put(edit{"experiments/1.json", `{"eid": 1,`})
	c.awaitFailure("experiments/1.json:1: not valid JSON")
	c.put(edit{"experiments/2.yaml", "nonsense: 1\n"})
	c.awaitFailure("experiments/1.json:1: not valid JSON", "experiments/2.yaml:1: nonsense: unknown key")
	if answer(c.holder.Current()) != value("one") {
		c.t.Errorf("it answers %s", answer(c.holder.Current()))
	}
	c.put(edit{"experiments/2.yaml", ""}, edit{"experiments/1.json", experiment("one")})
	c.awaitNoFailure()
	c.published(1)
	c.put(edit{"layers/b.json", layer("b")}) // its slots take the same variant
	c.awaitFailure("layers/b.json:2: ranges[0].vid")
	c.put(edit{"layers/b.json", ""}, edit{"experiments/1.json", experiment("two")})
	c.awaitAnswer(value("two"))
	c.awaitNoFailure()
}

// epochs has the epoch raised: alone, with a document in one transaction, and
// with what is at fault.
func (c *contract) epochs() {
	c.begin("one")
	first := c.holder.Current()
	if first.Epoch != firstEpoch {
		c.t.Errorf("epoch %d where none is said", first.Epoch)
	}
	epoch := func(want int64) func() bool { return func() bool { return c.holder.Current().Epoch == want } }
	c.put(edit{"epoch", "1"}) // says nothing new
	c.put(edit{"epoch", " 1792000000000000\n"})
	c.await("a later epoch", epoch(1792000000000000))
	if s := c.holder.Current(); answer(s) != value("one") || s.Revision() <= first.Revision() {
		c.t.Errorf("revision %d answers %s", s.Revision(), answer(s))
	}
	c.put(edit{"experiments/1.json", experiment("two")}, edit{"epoch", "1792000000000001"})
	c.awaitAnswer(value("two"))
	if !epoch(1792000000000001)() {
		c.t.Errorf("the document is served in epoch %d", c.holder.Current().Epoch)
	}
	c.put(edit{"experiments/1.json", "{"}, edit{"epoch", "1792000000000002"})
	c.awaitFailure("experiments/1.json:1: not valid JSON")
	if !epoch(1792000000000001)() {
		c.t.Error("what is at fault has begun an epoch")
	}
	c.put(edit{"experiments/1.json", experiment("two")}) // as before, but in that epoch
	c.await("a later epoch", epoch(1792000000000002))
	c.awaitNoFailure()
	c.put(edit{"experiments/1.json", experiment("six")})
	c.awaitAnswer(value("six"))
	c.published(5)

	// Who starts later has the same.
	other := &contract{t: c.t, fixture: c.fixture, log: &lines{}}
	other.holder = snapshot.NewHolder(other.now)
	other.start()
	if !epoch(other.holder.Current().Epoch)() {
		c.t.Errorf("one that starts later has epoch %d", other.holder.Current().Epoch)
	}
}

func (c *contract) badEpochs() {
	c.put(edit{"epoch", "yesterday"})
	c.basics("one")
	c.beginAside()
	c.awaitFailure(`epoch: the epoch is "yesterday": want a decimal number`)
	if c.holder.Current() != nil {
		c.t.Error("something is served")
	}
	c.put(edit{"epoch", "50"})
	c.awaitAnswer(value("one"))
	for _, bad := range []string{"", "x", "0", "-60", "+60", "0x60", "60.5", "1792000000000000000", "99999999999999999999", "49"} {
		c.put(edit{"experiments/1.json", experiment("no")}, edit{"epoch", bad})
		c.awaitFailure("epoch: the epoch is ")
		if s := c.holder.Current(); answer(s) != value("one") || s.Epoch != 50 {
			c.t.Errorf("%q: epoch %d answers %s", bad, s.Epoch, answer(s))
		}
		c.put(edit{"experiments/1.json", experiment("one")}, edit{"epoch", "50"})
		c.awaitNoFailure()
	}
	c.published(1)
	c.put(edit{"experiments/1.json", experiment("two")})
	c.awaitAnswer(value("two"))
	if s := c.holder.Current(); s.Epoch != 50 {
		c.t.Errorf("epoch %d", s.Epoch)
	}
}

func (c *contract) faultEndsStart() {
	c.put(edit{"layers/a.json", "{"}, edit{"experiments/1.json", experiment("one")})
	c.open()
	if err := c.source.Start(c.t.Context()); err == nil || !strings.Contains(err.Error(), "layers/a.json") {
		c.t.Errorf("got %v", err)
	}
}

func (c *contract) faultAtStart() {
	c.put(edit{"layers/a.json", "{"}, edit{"experiments/1.json", experiment("one")})
	c.beginAside()
	c.awaitFailure("layers/a.json:1: not valid JSON")
	if c.holder.Current() != nil {
		c.t.Error("something is served")
	}
	c.put(edit{"layers/a.json", layer("a")})
	c.awaitAnswer(value("one"))
	c.awaitNoFailure()
	c.put(edit{"experiments/1.json", experiment("two")})
	c.awaitAnswer(value("two"))
}

func (c *contract) nothingAtStart() {
	c.beginAside()
	if c.promises().faults {
		c.awaitFailure("no documents")
	}
	c.basics("one")
	c.awaitAnswer(value("one"))
	c.awaitNoFailure()
}

func (c *contract) outage() {
	c.begin("one")
	current := c.holder.Current()
	c.cut()
	c.put(edit{"experiments/1.json", experiment("two")}) // the store itself goes on
	c.await("it is stale", func() bool {
		if stale, known := c.holder.Stale(); known && stale >= time.Hour {
			return true
		}
		c.ahead.Add(int64(time.Hour)) // what was on its way may have come after that
		return false
	})
	if c.holder.Current() != current {
		c.t.Error("something else is served")
	}
	c.mend()
	c.awaitAnswer(value("two"))
	c.await("it is not stale", func() bool { stale, _ := c.holder.Stale(); return stale < time.Hour })
	if _, failed := c.holder.Failure(); failed {
		c.t.Error("an outage is told as a refused configuration")
	}
	if after := c.holder.Current(); after.Epoch != current.Epoch || after.Revision() <= current.Revision() {
		c.t.Errorf("revision %d of epoch %d after %d of %d", after.Revision(), after.Epoch, current.Revision(), current.Epoch)
	}
	// An outage without a change makes no revision.
	c.cut()
	c.mend()
	c.put(edit{"experiments/1.json", experiment("six")})
	c.awaitAnswer(value("six"))
	c.published(3)
}

// outageTold reports whether the log tells of an outage.
func (c *contract) outageTold() bool {
	return c.log.count("no news")+c.log.count("the config stream has ended") > 0
}

func (c *contract) outageAtStart() {
	c.basics("one")
	c.cut()
	c.beginAside()
	c.await("it tells of the outage", func() bool { return c.outageTold() })
	if c.holder.Current() != nil {
		c.t.Error("something is served")
	}
	c.mend()
	c.awaitAnswer(value("one"))
}

func (c *contract) end() {
	c.basics("one")
	c.start()
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.source.Run(ctx) }()
	c.put(edit{"experiments/1.json", experiment("two")})
	c.awaitAnswer(value("two"))
	cancel()
	c.ended(done, false)
}

func (c *contract) endInOutage() {
	c.basics("one")
	c.cut()
	c.open()
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.source.Start(ctx) }()
	c.await("it tells of the outage", func() bool { return c.outageTold() })
	cancel()
	c.ended(done, true)
}

// ended waits until what was cancelled returns. That nothing is left behind, the
// package's TestMain checks.
func (c *contract) ended(done <-chan error, withError bool) {
	c.t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	select {
	case err := <-done:
		if (err != nil) != withError {
			c.t.Errorf("it ended with %v", err)
		}
	case <-deadline.C:
		c.t.Error("it does not end")
	}
}
