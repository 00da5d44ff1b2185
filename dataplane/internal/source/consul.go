package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

// consulTimes are how long things take, but for tests.
type consulTimes struct {
	// wait is how long a query waits for a change. Its answer proves that nothing
	// has changed: the data plane is hardly staler than that.
	wait time.Duration
	// grace is how much longer than that an answer may take.
	grace time.Duration
	// gap is how far apart queries begin, however fast they are answered.
	gap time.Duration
}

// consulMost is how large the answer to a query may be.
const consulMost = 512 << 20

// Consul is a source of documents in Consul's KV store. Its revisions are the
// indexes that Consul gives with them: the index of the last change of a key
// under the prefix. Consul has one content at each, so equal revisions are equal
// contents in an epoch on every data plane of the datacenter, with one exception:
// some time after a key was deleted, Consul forgets when, and the index falls back
// to that of the newest key there is. A data plane that starts then may give the
// revision of an earlier content to what is there now, and one that has missed the
// deletion takes the store for one that has gone back. It can not happen where
// something else under the prefix is written in the transaction that deletes.
//
// All that one transaction changes has one index, and queries answer with all
// keys at once, so no part of it is served without the others.
type Consul struct {
	documents
	config ConsulConfig
	times  consulTimes

	index uint64 // of the last answer; 0 to start over
}

var _ Source = (*Consul)(nil)

// NewConsul returns a source of what stands in Consul. It is for one goroutine.
func NewConsul(config ConsulConfig, holder *snapshot.Holder, log *slog.Logger) *Consul {
	c := &Consul{
		documents: newDocuments(config.Prefix, holder, log), config: config,
		times: consulTimes{wait: 30 * time.Second, grace: 10 * time.Second, gap: 50 * time.Millisecond},
	}
	c.history.forgets = true
	return c
}

// Start waits until there is a configuration to serve, however long Consul can
// not be reached, has no documents, or has some that are at fault: the last two
// are told to the holder. The error says what is wrong with the settings or the
// files that they name, or is the context's.
func (c *Consul) Start(ctx context.Context) error {
	if err := c.config.Validate(); err != nil {
		return err
	}
	if _, err := c.client(); err != nil {
		return err
	}
	if _, err := c.token(); err != nil {
		return err
	}
	c.run(ctx, c.ready)
	if !c.ready() {
		return context.Cause(ctx)
	}
	return nil
}

// Run follows the keys until ctx ends.
func (c *Consul) Run(ctx context.Context) error {
	c.run(ctx, func() bool { return false })
	return nil
}

// run follows the keys until there is enough or ctx ends.
func (c *Consul) run(ctx context.Context, enough func() bool) {
	pauses := newPauses()
	for {
		err := c.connect(ctx, enough, &pauses)
		if err == nil || ctx.Err() != nil {
			return
		}
		c.complain(err)
		c.index = 0 // what happened meanwhile need not be above it
		if !pauses.wait(ctx) {
			return
		}
	}
}

// client returns a client. Files are read each time, as certificates change.
func (c *Consul) client() (*http.Client, error) {
	secrets, err := c.config.tls().read()
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: secrets,
			TLSHandshakeTimeout: 10 * time.Second, MaxIdleConns: 1, IdleConnTimeout: time.Minute,
		},
		// An API that goes elsewhere is none of Consul's, and must not get the token.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

func (c *Consul) token() (string, error) {
	return readSecret("consul-token", c.config.Token, c.config.TokenFile)
}

// connect follows the keys with one client. It returns nil when there is enough.
func (c *Consul) connect(ctx context.Context, enough func() bool, pauses *pauses) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	gap := time.NewTimer(0)
	defer gap.Stop()
	for {
		if enough() {
			return nil
		}
		select {
		case <-gap.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		gap.Reset(c.times.gap)
		if err := c.query(ctx, client); err != nil {
			return err
		}
		pauses.over()
	}
}

// query asks for the documents once they are another than those of the last
// index, or after a while, and takes them.
func (c *Consul) query(ctx context.Context, client *http.Client) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.times.wait+c.times.wait/16+c.times.grace, errors.New("consul has not answered in time"))
	defer cancel()
	request, err := c.request(ctx)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answered := time.Now()
	index, err := indexOf(response)
	if err != nil {
		return err
	}
	if index < c.index {
		c.index = 0 // Consul's rule: start over
		return nil
	}
	texts := map[string]string{}
	if response.StatusCode != http.StatusNotFound {
		if texts, err = textsOf(response.Body); err != nil {
			return err
		}
	}
	c.Replace(texts)
	c.index = index
	c.follow(0, int64(index)) // Consul does not say which store it is
	c.confirm(time.Since(answered))
	return nil
}

// request makes the request of a query. The first one, and each that starts
// over, is consistent: whether the store has another history than before must
// not be judged by what a leader says that is none any more. Those that wait are
// of the default kind, which the leader answers alone. None is stale: an index of
// one server means nothing to another that is behind it.
func (c *Consul) request(ctx context.Context) (*http.Request, error) {
	query := url.Values{"recurse": {""}}
	if c.config.Datacenter != "" {
		query.Set("dc", c.config.Datacenter)
	}
	if c.index == 0 {
		query.Set("consistent", "")
	} else {
		query.Set("index", strconv.FormatUint(c.index, 10))
		query.Set("wait", strconv.FormatInt(c.times.wait.Milliseconds(), 10)+"ms")
	}
	path := &url.URL{Path: "/v1/kv/" + c.config.Prefix, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.config.Addr, "/")+path.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	if token != "" {
		request.Header.Set("X-Consul-Token", token)
	}
	return request, nil
}

// indexOf returns the index of an answer, if it is one that has all keys: where
// there are none, Consul answers that it found nothing, but with an index.
func indexOf(response *http.Response) (uint64, error) {
	header := response.Header
	text := header.Get("X-Consul-Index")
	switch {
	case response.StatusCode != http.StatusOK && (response.StatusCode != http.StatusNotFound || text == ""):
		problem, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		return 0, fmt.Errorf("consul answered %s: %s", response.Status, strings.TrimSpace(string(problem)))
	case header.Get("X-Consul-Knownleader") == "false":
		return 0, errors.New("consul has no leader")
	case header.Get("X-Consul-Results-Filtered-By-Acls") == "true":
		return 0, errors.New("consul left out keys that the token may not read: want a policy with key_prefix and read")
	}
	index, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("consul answered with X-Consul-Index %q: want a number", text)
	}
	return max(index, 1), nil // 0 would not wait
}

// textsOf reads the keys of an answer and their values.
func textsOf(body io.Reader) (map[string]string, error) {
	limited := &io.LimitedReader{R: body, N: consulMost}
	var entries []struct {
		Key   string
		Value []byte
	}
	if err := json.NewDecoder(limited).Decode(&entries); err != nil {
		if limited.N <= 0 {
			return nil, fmt.Errorf("consul's answer is larger than %d MiB", consulMost>>20)
		}
		return nil, fmt.Errorf("consul's answer can not be read: %w", err)
	}
	texts := make(map[string]string, len(entries))
	for _, entry := range entries {
		texts[entry.Key] = string(entry.Value)
	}
	return texts, nil
}
