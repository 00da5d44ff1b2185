package source

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

// consulFixture is a server that is reached through a proxy.
type consulFixture struct {
	*proxy
	server *consulServer
	config ConsulConfig
}

func newConsulFixture(tb testing.TB) *consulFixture {
	tb.Helper()
	server := startConsul(tb)
	p := newProxy(tb, server.address())
	return &consulFixture{p, server, ConsulConfig{Addr: "http://" + p.address, Prefix: "some/strata/"}}
}

func (*consulFixture) promises() promises {
	return promises{transactions: true, outages: true, faults: true, epochs: true, waits: true}
}

func (f *consulFixture) edit(tb testing.TB, edits ...edit) {
	tb.Helper()
	type operation struct {
		Verb, Key string
		Value     []byte
	}
	operations := []map[string]operation{}
	for _, e := range edits {
		o := operation{"set", f.config.Prefix + e.name, []byte(e.text)}
		if e.text == "" {
			o = operation{"delete", f.config.Prefix + e.name, nil}
		}
		operations = append(operations, map[string]operation{"KV": o})
	}
	body, err := json.Marshal(operations)
	if err != nil {
		tb.Fatal(err)
	}
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodPut, f.server.server.URL+"/v1/txn", bytes.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	response, err := f.server.server.Client().Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		tb.Fatal(response.Status)
	}
}

func (f *consulFixture) source(holder *snapshot.Holder, log *slog.Logger) Source {
	consul := NewConsul(f.config, holder, log)
	consul.times = consulTimes{wait: 200 * time.Millisecond, grace: 2 * time.Second, gap: time.Millisecond}
	return consul
}

func TestConsulContract(t *testing.T) {
	t.Parallel()
	testContract(t, func(t *testing.T) fixture { t.Helper(); return newConsulFixture(t) })
}

func newConsulContract(t *testing.T) (*contract, *consulFixture) {
	t.Helper()
	f := newConsulFixture(t)
	return newContract(t, f), f
}

// TestConsulForgets deletes a document, and has Consul forget that: the index
// falls back, and that is no other history.
func TestConsulForgets(t *testing.T) {
	t.Parallel()
	c, f := newConsulContract(t)
	l, e := second("x")
	c.put(edit{"layers/b.json", l}, edit{"experiments/2.json", e})
	c.begin("one")
	c.put(edit{"layers/b.json", ""}, edit{"experiments/2.json", ""})
	c.awaitAnswer(value("one"))
	deleted := c.holder.Current().Revision()
	f.server.forget()
	c.await("a start over", func() bool {
		f.server.mu.Lock()
		defer f.server.mu.Unlock()
		return slices.ContainsFunc(f.server.queries[2:], func(q string) bool { return strings.Contains(q, "consistent") })
	})
	c.put(edit{"experiments/1.json", experiment("two")})
	c.awaitAnswer(value("two"))
	c.published(3)
	if s := c.holder.Current(); s.Epoch != firstEpoch || s.Revision() <= deleted {
		t.Errorf("revision %d of epoch %d after %d", s.Revision(), s.Epoch, deleted)
	}
}

// TestConsulOtherStore puts another store in the place of the one that was: it is
// refused until its epoch is raised.
func TestConsulOtherStore(t *testing.T) {
	t.Parallel()
	for _, index := range []uint64{3, 13} { // 13 is what is served
		c, f := newConsulContract(t)
		f.server.restore(11, nil)
		c.put(edit{"elsewhere", "x"})
		c.begin("one")
		c.at(firstEpoch, 13)
		f.cut()
		f.server.restore(index, map[string]string{
			f.config.Prefix + "layers/a.json": layer("a"), f.config.Prefix + "experiments/1.json": experiment("two"),
		})
		f.mend()
		c.awaitFailure("the store has gone back: it has other contents at revision", "put a later number into some/strata/epoch")
		for i := range 20 { // until it seems to have got further
			c.put(edit{"elsewhere", strconv.Itoa(i)})
		}
		c.put(edit{"experiments/1.json", experiment("six")})
		c.confirmedAnew()
		c.at(firstEpoch, 13)
		c.put(edit{"epoch", "1792000000000000"})
		c.awaitAnswer(value("six"))
		c.awaitNoFailure()
		c.at(1792000000000000, int64(index)+22)
		c.put(edit{"experiments/1.json", experiment("ten")})
		c.awaitAnswer(value("ten"))
		late := newContract(t, f)
		late.start()
		for _, each := range []*contract{c, late} {
			each.at(1792000000000000, int64(index)+23)
		}
	}
}

// TestConsulAnswers has Consul answer what no configuration is in.
func TestConsulAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, want string
		status     int
		header     map[string]string
		body       string
	}{
		{"no leader", "consul answered 500 Internal Server Error: No cluster leader", 500, nil, "No cluster leader"},
		{"a token that is gone", "consul answered 403 Forbidden: ACL not found", 403, nil, "ACL not found"},
		{"too many requests", "consul answered 429", 429, nil, ""},
		{"not Consul", "consul answered 404", 404, nil, "page not found"},
		{"another place", "consul answered 301", 301, map[string]string{"Location": "http://127.0.0.1:1/"}, ""},
		{"a stale server", "consul has no leader", 200, map[string]string{"X-Consul-Index": "50", "X-Consul-Knownleader": "false"}, "[]"},
		{"a part", "may not read", 200, map[string]string{"X-Consul-Index": "50", "X-Consul-Results-Filtered-By-ACLs": "true"}, "[]"},
		{"no index", `X-Consul-Index ""`, 200, nil, "[]"},
		{"nonsense", "can not be read", 200, map[string]string{"X-Consul-Index": "50"}, `[{"Key": `},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, f := newConsulContract(t)
			c.begin("one")
			f.server.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
				for name, value := range test.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
				return true
			})
			c.put(edit{"experiments/1.json", experiment("two")})
			c.await(test.want, func() bool {
				text := strings.ReplaceAll(c.log.text(), `\"`, `"`)
				return strings.Contains(text, test.want)
			})
			f.server.intercept(nil)
			c.awaitAnswer(value("two"))
			if _, refused := c.holder.Loads(); refused > 0 {
				t.Error("something was refused")
			}
		})
	}
}

// TestConsulIndexOfNothing has an index of 0, with which a query would not wait.
func TestConsulIndexOfNothing(t *testing.T) {
	t.Parallel()
	c, f := newConsulContract(t)
	f.server.intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Has("index") {
			return false
		}
		w.Header().Set("X-Consul-Index", "0")
		w.WriteHeader(http.StatusNotFound)
		return true
	})
	c.beginAside()
	c.awaitFailure("no documents")
	c.basics("one")
	c.awaitAnswer(value("one"))
}

// TestConsulToken has a token that changes, and is told to nobody else.
func TestConsulToken(t *testing.T) {
	t.Parallel()
	c, f := newConsulContract(t)
	f.config.TokenFile = filepath.Join(t.TempDir(), "token")
	f.config.Datacenter = "dc 2"
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(f.config.TokenFile, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	last := func(token string) func() bool {
		return func() bool {
			f.server.mu.Lock()
			defer f.server.mu.Unlock()
			n := len(f.server.reads) - 1
			return f.server.reads[n].Get("X-Consul-Token") == token && strings.Contains(f.server.queries[n], "dc=dc+2")
		}
	}
	write("first-secret")
	c.begin("one")
	if !last("first-secret")() {
		t.Error("the token was not sent")
	}
	write("second-secret")
	c.await("another token", last("second-secret"))
	f.cut()
	c.await("an outage", func() bool { return c.log.count("no news") > 0 })
	if strings.Contains(c.log.text(), "secret") {
		t.Error("the token is in the log")
	}
}
