//go:build faults

// Package network is the connections between parts of a system that a test runs,
// each through a proxy in this process that can be told to lose, hold up or cut
// what is sent.
package network

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/strata-exp/strata/sdk/e2e/fleet"
)

// Network makes proxies. It is safe for concurrent use.
type Network struct {
	t      fleet.T
	server *toxiproxy.ApiServer

	mu    sync.Mutex
	links map[string]*Link
}

// New returns a network that ends with a test.
func New(t fleet.T) *Network {
	quiet()
	n := &Network{t: t, server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), links: map[string]*Link{}}
	t.Cleanup(func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, l := range n.links {
			l.proxy.Stop()
		}
	})
	return n
}

// quiet keeps what faults log of themselves out of the output of tests.
var quiet = sync.OnceFunc(func() { zerolog.SetGlobalLevel(zerolog.Disabled) })

// Link is a way from one part to another one.
type Link struct {
	name   string
	t      fleet.T
	proxy  *toxiproxy.Proxy
	toxics map[string]bool
}

// Between is a fleet.Link. Asked again for the same two parts, it returns the
// address that it gave.
func (n *Network) Between(from, to, address string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := from + ">" + to
	if l, ok := n.links[name]; ok {
		return l.proxy.Listen
	}
	l := &Link{name: name, t: n.t, proxy: toxiproxy.NewProxy(n.server, name, "127.0.0.1:0", address), toxics: map[string]bool{}}
	if err := l.proxy.Start(); err != nil {
		n.t.Fatalf("a proxy for %s: %v", name, err)
	}
	n.links[name] = l
	return l.proxy.Listen
}

// Link returns the way from one part to another one that Between has made.
func (n *Network) Link(from, to string) *Link {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	l, ok := n.links[from+">"+to]
	if !ok {
		n.t.Fatalf("there is no way from %s to %s", from, to)
	}
	return l
}

// Directions of what is sent, seen from the one who has opened the connection.
const (
	Up   = "upstream"
	Down = "downstream"
)

// add adds a fault in some directions.
func (l *Link) add(kind string, attributes map[string]any, directions ...string) {
	l.t.Helper()
	for _, direction := range directions {
		name := kind + "-" + direction
		data, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": direction, "attributes": attributes})
		if err != nil {
			l.t.Fatalf("%s: %v", l.name, err)
		}
		if _, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(data)); err != nil {
			l.t.Fatalf("%s: %s: %v", l.name, name, err)
		}
		l.toxics[name] = true
	}
}

// Silence loses what is sent, and cuts nothing. Connections that are made meanwhile
// are as silent.
func (l *Link) Silence(directions ...string) {
	l.t.Helper()
	l.add("timeout", map[string]any{"timeout": 0}, directions...)
}

// Cut cuts connections after so many bytes have come down each.
func (l *Link) Cut(after int64) {
	l.t.Helper()
	l.add("limit_data", map[string]any{"bytes": after}, Down)
}

// Slow lets through so many KiB a second, and delays everything by milliseconds
// that vary.
func (l *Link) Slow(kibPerSecond, latency, jitter int) {
	l.t.Helper()
	if kibPerSecond > 0 {
		l.add("bandwidth", map[string]any{"rate": kibPerSecond}, Down)
	}
	if latency > 0 {
		l.add("latency", map[string]any{"latency": latency, "jitter": jitter}, Up, Down)
	}
}

// Slice cuts what comes down into pieces of about so many bytes.
func (l *Link) Slice(size int) {
	l.t.Helper()
	l.add("slicer", map[string]any{"average_size": size, "size_variation": size / 2, "delay": 10}, Down)
}

// Heal ends all faults. Connections that have lost something are cut.
func (l *Link) Heal() {
	l.t.Helper()
	for name := range l.toxics {
		if err := l.proxy.Toxics.RemoveToxic(context.WithoutCancel(l.t.Context()), name); err != nil {
			l.t.Fatalf("%s: %s: %v", l.name, name, err)
		}
	}
	clear(l.toxics)
}

// Close cuts all connections, and refuses others until Open.
func (l *Link) Close() { l.proxy.Stop() }

// Open accepts connections again, at the same address.
func (l *Link) Open() {
	l.t.Helper()
	if err := l.proxy.Start(); err != nil {
		l.t.Fatalf("%s: %v", l.name, err)
	}
}

// Reset cuts all connections that there are.
func (l *Link) Reset() {
	l.t.Helper()
	l.Close()
	l.Open()
}

// Database has connections to a private PostgreSQL, which listens on a socket of
// the system alone, go through a link: it returns the URL by which they do.
func (n *Network) Database(database string) string {
	n.t.Helper()
	socket, err := socketOf(database)
	if err != nil {
		n.t.Fatalf("%v", err)
	}
	return "postgres://postgres@" + n.Between("cp", "pg", n.forward(socket)) + "/strata?sslmode=disable"
}

// forward accepts connections for a socket of the system.
func (n *Network) forward(socket string) (address string) {
	l, err := new(net.ListenConfig).Listen(n.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatalf("%v", err)
	}
	ctx := context.WithoutCancel(n.t.Context())
	var wait sync.WaitGroup
	n.t.Cleanup(func() {
		_ = l.Close()
	})
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { pipe(ctx, c, socket) })
		}
	})
	return l.Addr().String()
}

func pipe(ctx context.Context, c net.Conn, socket string) {
	defer func() { _ = c.Close() }()
	to, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{c, to}, {to, c}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // the other one ends with it
			done <- struct{}{}
		}()
	}
	<-done
}

// socketOf finds the socket in a URL of a private PostgreSQL.
func socketOf(database string) (string, error) {
	u, err := url.Parse(database)
	if err != nil {
		return "", err
	}
	return filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port")), nil
}
