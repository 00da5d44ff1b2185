package push

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/view"
)

// valve is a sink that can be shut: its reader takes nothing for a while.
type valve struct {
	sink

	mu   sync.Mutex
	open chan struct{} // closed while it is open
	stop <-chan struct{}
}

func (v *valve) opened() chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.open
}

// shut makes the valve hold what comes next. Nothing may be on its way.
func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open = make(chan struct{})
}

func (v *valve) Send(frame *servingv1.WatchResponse) error {
	select {
	case <-v.opened():
		return v.sink.Send(frame)
	case <-v.stop:
		return context.Canceled
	}
}

// node is a server of the model.
type node struct {
	hub    *Hub
	server *Server
}

// client is a follower of the model, which goes from server to server.
type client struct {
	*reader

	key  string
	at   *node
	run  *running // nil while it follows nobody
	shut bool
	gate *valve
}

// model is a control plane and a relay that follows it, with followers of both.
type model struct {
	*rapid.T

	test    *testing.T
	keys    *keys
	world   *world
	oracle  *oracle
	control *node
	relay   *node
	link    *client // the relay's own
	clients []*client
	last    view.Position
}

func newModel(t *testing.T, rt *rapid.T) *model {
	t.Helper()
	m := &model{T: rt, test: t, keys: newKeys(t), oracle: newOracle(), last: view.Position{Epoch: 1}}
	seed := rapid.Uint64().Draw(rt, "seed")
	m.world = newWorld(mathrand.New(mathrand.NewPCG(seed, 6)), rapid.Bool().Draw(rt, "wild"))
	m.control, m.relay = m.node(NewSealer(clusterKey)), m.node(NewSealer(nil))
	plane := m.keys.add(servingv1.Role_ROLE_PLANE)
	m.link = &client{reader: newReader(m.oracle, newScope(nil, true)), key: plane}
	m.link.commit = func(v *view.View) { m.relay.hub.Publish(v) }
	for range rapid.IntRange(1, 5).Draw(rt, "clients") {
		scope := m.world.scope()
		key := plane
		if !scope.unknown {
			key = m.keys.add(servingv1.Role_ROLE_SDK, scope.services...)
		}
		m.clients = append(m.clients, &client{reader: newReader(m.oracle, scope), key: key})
	}
	return m
}

func (m *model) node(sealer *Sealer) *node {
	hub := NewHub(production, sealer)
	return &node{hub, newServer(hub, m.keys, func(c *Config) {
		c.Options.StreamsPerSecond, c.Options.StreamsBurst, c.Options.FullBytesBurst = 1e6, 1e6, 1e12
	})}
}

func (m *model) connect(c *client, at *node, token []byte) {
	c.at, c.hello, c.goodbye = at, nil, nil
	c.gate = &valve{sink: c.reader, open: make(chan struct{})}
	if !c.shut {
		close(c.gate.open)
	}
	ctx, cancel := context.WithCancel(m.keys.context(m.test.Context(), c.key))
	c.gate.stop = ctx.Done()
	c.run = follow(ctx, at.server, watchRequest(token), c.gate, rand.Text())
	stop := c.run.cancel
	c.run.cancel = func() { stop(); cancel() }
}

func (c *client) disconnect() {
	if c.run != nil {
		c.run.stop()
		c.run = nil
	}
}

func (m *model) any() *client { return rapid.SampledFrom(m.clients).Draw(m.T, "client") }

// publish shows what is after some changes.
func (m *model) publish() {
	for range rapid.IntRange(0, 3).Draw(m.T, "changes") {
		m.world.change()
	}
	v := m.world.view(m.last)
	m.oracle.tell(v)
	if !m.control.hub.Publish(v) {
		m.Fatalf("%v was not taken", m.last)
	}
}

// actions are what may happen.
func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"publish": func(*rapid.T) {
			m.last.Revision += int64(rapid.IntRange(1, 3).Draw(m.T, "revisions"))
			m.publish()
		},
		"begin an epoch": func(*rapid.T) {
			m.last = view.Position{Epoch: m.last.Epoch + 1, Revision: int64(rapid.IntRange(1, 6).Draw(m.T, "revision"))}
			m.publish()
		},
		"publish what is old": func(*rapid.T) {
			old := view.Position{Epoch: m.last.Epoch, Revision: m.last.Revision - int64(rapid.IntRange(0, 2).Draw(m.T, "back"))}
			v := view.Empty().With(old, nil, nil)
			if old == m.last {
				v = m.oracle.newest(old)
			}
			if m.control.hub.Position() != (view.Position{}) && m.control.hub.Publish(v) {
				m.Fatalf("%v was taken after %v", old, m.last)
			}
		},
		"repair": func(*rapid.T) {
			before := m.oracle.newest(m.last)
			if before == nil { // there is nothing yet
				return
			}
			m.world.change()
			v := m.world.view(m.last)
			m.oracle.tell(v)
			if m.control.hub.Publish(v) != (v.Hash() != before.Hash()) {
				m.Fatalf("%v was repaired: %t", m.last, v.Hash() == before.Hash())
			}
		},
		"connect": func(*rapid.T) {
			c := m.any()
			c.disconnect()
			token := c.token
			switch rapid.IntRange(0, 9).Draw(m.T, "token") {
			case 0: // it lost all it had
				token, c.token, c.held = nil, nil, view.Empty()
			case 1: // and has something else for it
				token, c.token, c.held = rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(m.T, "token"), nil, view.Empty()
			}
			m.connect(c, rapid.SampledFrom([]*node{m.control, m.relay}).Draw(m.T, "node"), token)
		},
		"disconnect": func(*rapid.T) { m.any().disconnect() },
		"shut": func(*rapid.T) {
			if c := m.any(); c.run != nil && !c.shut {
				c.shut = true
				c.gate.shut()
			}
		},
		"open": func(*rapid.T) {
			if c := m.any(); c.shut {
				c.shut = false
				if c.run != nil {
					close(c.gate.opened())
				}
			}
		},
		"cut the relay off": func(*rapid.T) { m.link.disconnect() },
		"heal the relay": func(*rapid.T) {
			if m.link.run == nil {
				m.connect(m.link, m.control, m.link.token)
			}
		},
		"pass": func(*rapid.T) {
			pass(time.Duration(rapid.IntRange(1, int(7*time.Minute/time.Millisecond)).Draw(m.T, "time")) * time.Millisecond)
		},
		"": func(*rapid.T) { m.check() },
	}
}

// check says that all who can read are at the head of their server, and that
// nobody was ever sent what is not so: the reader looks at each frame.
func (m *model) check() {
	synctest.Wait()
	for _, c := range append(m.clients, m.link) {
		if err := peek(c.reader, func() error { return c.err }); err != nil {
			m.Fatalf("scope %q: %v", c.scope.services, err)
		}
		if c.run == nil {
			continue
		}
		head := c.at.hub.Position()
		select {
		case <-c.run.done:
			switch {
			case c.goodbye.GetReason() == servingv1.Goodbye_REASON_MAX_AGE && c.run.err == nil:
			case c.goodbye == nil && reasonOf(c.run.err) == servingv1.ErrorReason_ERROR_REASON_BEHIND:
			default:
				m.Fatalf("a stream ended by %v, %v", c.run.err, c.goodbye)
			}
			c.run = nil
			continue
		default:
		}
		if c.shut || c.reader.at().Compare(head) > 0 || head == (view.Position{}) {
			continue
		}
		if got := c.reader.at(); got != head {
			m.Fatalf("scope %q is at %v, its server at %v", c.scope.services, got, head)
		}
		if want := naive(c.at.hub.base, c.scope).Hash(); peek(c.reader, func() bool { return c.held.Hash() != want }) {
			m.Fatalf("scope %q has something else than its server at %v", c.scope.services, head)
		}
	}
}

// TestModel lets random things happen to a control plane, a relay and followers.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var fault any
		synctest.Test(t, func(t *testing.T) {
			defer func() { fault = recover() }() // rapid has to see it, and is not in the bubble
			m := newModel(t, rt)
			defer m.end()
			rt.Repeat(m.actions())
			m.converge()
		})
		if fault != nil {
			panic(fault)
		}
	})
}

func (m *model) end() {
	for _, c := range append(m.clients, m.link) {
		c.disconnect()
	}
}

// converge says that all end where all is, whatever has happened.
func (m *model) converge() {
	m.end()
	m.last.Revision++
	m.publish()
	m.link.shut = false
	m.connect(m.link, m.control, m.link.token)
	synctest.Wait()
	for i, c := range m.clients {
		c.shut = false
		m.connect(c, []*node{m.control, m.relay}[i%2], c.token)
	}
	m.check()
	for _, c := range append(m.clients, m.link) {
		if got := c.reader.at(); got != m.last {
			m.Fatalf("scope %q is at %v in the end, not %v", c.scope.services, got, m.last)
		}
	}
}
