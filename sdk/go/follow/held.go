package follow

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/lastgood"
	"github.com/strata-exp/strata/sdk/go/view"
)

// held is what a follower has and knows. One goroutine changes it; the lock is
// for those who look, and is never held while the sink is called.
type held struct {
	sink     Sink
	store    *lastgood.Store // nil: none
	log      *slog.Logger
	upstream string // as the store knows it
	asked    string // the environment
	services []string
	born     time.Time

	mu          sync.Mutex
	changed     chan struct{}
	environment string // as servers name it, empty if none has
	replicated  *view.View
	token       []byte     // to go on from replicated
	active      *view.View // nil: none
	activeToken []byte
	faults      view.Faults // of replicated, if it is not active
	keysVersion int64
	keys        []*servingv1.PublicKey
	link        *link // nil: none
	problem     error // why the last stream has ended, nil once the next one goes well
	heard       time.Time
	beat        time.Duration // as the server has said last
	confirmed   time.Time
	silence     *time.Timer // tells that the follower is stale
}

// link is a stream that has begun, or a time of fetching.
type link struct {
	stream            string // its name, empty if fetched
	fetched           bool
	since             time.Time
	heartbeat, report time.Duration
}

func newHeld(config Config) *held {
	return &held{
		sink: config.Sink, store: config.LastGood, log: config.Log,
		upstream: upstreamOf(config.URL), asked: config.Environment, services: config.Services, born: time.Now(),
		changed: make(chan struct{}), environment: config.Environment, replicated: view.Empty(), beat: defaultHeartbeat,
	}
}

// signal tells those who wait for a change. The lock has to be held.
func (h *held) signal() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *held) changes() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// current returns the replicated configuration, which may be empty, and never nil.
func (h *held) current() *view.View {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.replicated
}

func (h *held) resumeToken() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.token
}

// join checks that a server has the environment that is followed.
func (h *held) join(asked, served string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.environment != "" && served != h.environment {
		return fmt.Errorf("the server sends the environment %q, followed is %q", served, h.environment)
	}
	if asked == "" && served == "" {
		return errors.New("the server does not say which environment it sends")
	}
	h.environment = served
	return nil
}

func (h *held) opened(l link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if before := h.link; before != nil && before.fetched && l.fetched {
		l.since = before.since // one time of fetching
	}
	h.link, h.beat = &l, l.heartbeat
	h.signal()
}

func (h *held) ended(e ending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.link = nil
	if e.cause != due {
		h.problem = e.err
	}
	h.signal()
}

// hear notes that something valid has come.
func (h *held) hear(heartbeat time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.stale()
	h.heard = time.Now()
	if h.silence == nil {
		h.silence = time.AfterFunc(patience*heartbeat, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.signal()
		})
	} else {
		h.silence.Reset(patience * heartbeat)
	}
	if was {
		h.signal()
	}
}

// stale reports whether nothing was heard for too long. The lock has to be held.
func (h *held) stale() bool { return h.heard.IsZero() || time.Since(h.heard) >= patience*h.beat }

// stop ends what would go on in the background.
func (h *held) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.link = nil
	if h.silence != nil {
		h.silence.Stop()
	}
	h.signal()
}

// confirm notes that so long ago the replicated configuration was the newest.
func (h *held) confirm(ago time.Duration) {
	h.mu.Lock()
	news := h.problem != nil || h.confirmed.IsZero()
	if at := time.Now().Add(-ago); at.After(h.confirmed) {
		h.confirmed = at
	}
	if h.problem = nil; news {
		h.signal()
	}
	h.mu.Unlock()
	h.sink.Confirm(ago)
}

// take hands a configuration over that was received whole.
func (h *held) take(v *view.View, token []byte) {
	if current := h.current(); v.Position() == current.Position() && v.Hash() == current.Hash() {
		h.retoken(current, token)
		return
	}
	h.sink.Replicated(v)
	faults := h.activate(v)

	h.mu.Lock()
	defer h.mu.Unlock()
	if replicates(faults != nil) {
		h.replicated, h.token = v, token
	}
	h.faults, h.problem = faults, nil
	if faults == nil {
		h.active, h.activeToken = v, token
		h.keep()
	}
	h.signal()
}

// retoken takes another token for what is held.
func (h *held) retoken(current *view.View, token []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.token = token
	if h.active == current {
		h.activeToken = token
	}
}

// activate returns nil if a configuration runs. A panic is a fault as well: what
// comes over the network must not end the process that runs what came before.
func (h *held) activate(v *view.View) (faults view.Faults) {
	defer func() {
		if fault := recover(); fault != nil {
			h.log.Error("a configuration has made its compilation panic",
				"position", v.Position().String(), "panic", fault, "stack", string(debug.Stack()))
			faults = view.Faults{{Problem: fmt.Sprintf("panic: %v", fault)}}
		}
	}()
	err := h.sink.Activate(v)
	if err == nil {
		h.log.Info("a configuration is active", "position", v.Position().String(), "entities", v.Len())
		return nil
	}
	h.log.Error("a configuration can not be run, the one before goes on",
		"position", v.Position().String(), "error", err)
	if faults, ok := errors.AsType[view.Faults](err); ok && len(faults) > 0 {
		return faults
	}
	return view.Faults{{Problem: err.Error()}}
}

// takeKeys hands keys over, unless they are older than those that are held.
func (h *held) takeKeys(k *servingv1.AccessKeys) {
	h.mu.Lock()
	held, known := h.keysVersion, h.keys != nil
	h.mu.Unlock()
	if k.GetVersion() < held {
		h.log.Warn("access keys that are older than those held are passed over",
			"version", k.GetVersion(), "held", held)
		return
	}
	keys := k.GetKeys()
	if keys == nil {
		keys = []*servingv1.PublicKey{}
	}
	h.sink.Keys(k.GetVersion(), keys)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keysVersion, h.keys = k.GetVersion(), keys
	if k.GetVersion() > held || !known {
		h.keep()
	}
}

// keep has the active configuration written. The lock has to be held.
func (h *held) keep() {
	if h.store == nil || h.active == nil {
		return
	}
	h.store.Put(&lastgood.Content{
		Upstream: h.upstream, Environment: h.asked, Services: h.services, View: h.active, Token: h.activeToken,
		KeysVersion: h.keysVersion, Keys: h.keys,
	})
}

// restore hands over what was kept, and reports whether it runs.
func (h *held) restore(c *lastgood.Content) bool {
	if c.Keys != nil || c.KeysVersion > 0 {
		h.sink.Keys(c.KeysVersion, c.Keys)
	}
	h.sink.Replicated(c.View)
	faults := h.activate(c.View)

	h.mu.Lock()
	defer h.mu.Unlock()
	h.keysVersion, h.keys = c.KeysVersion, c.Keys
	h.replicated, h.token, h.faults = c.View, c.Token, faults
	if faults == nil {
		h.active, h.activeToken = c.View, c.Token
	}
	h.signal()
	return faults == nil
}
