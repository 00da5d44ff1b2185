package controlplane_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/db/dbtest"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/gen/go/strata/admin/v1/adminv1connect"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// A control plane that a test kills is a process of its own: this binary again,
// with the database's URL in the environment.
const (
	childVariable = "STRATA_TEST_DATABASE_URL"
	addrVariable  = "STRATA_TEST_HTTP_ADDR"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childVariable); url != "" {
		os.Exit(serve(url, os.Getenv(addrVariable)))
	}
	dbtest.Main(m)
}

// serve runs a control plane until standard input ends, and says where it
// listens.
func serve(url, addr string) int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	c := controlplane.Default()
	c.DatabaseURL, c.AllowUnsafeDatabase, c.HTTPAddr, c.PushAddr, c.MetricsAddr = url, true, addr, "127.0.0.1:0", "127.0.0.1:0"
	c.OnListening = func(l controlplane.Listening) { fmt.Fprintln(os.Stdout, l.HTTP) }
	if err := controlplane.Run(ctx, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// process is a control plane that can be killed and started again at the same
// address.
type process struct {
	t       *testing.T
	url     string
	addr    string
	command *exec.Cmd
	stdin   io.Closer
}

func newProcess(t *testing.T, url string) *process {
	t.Helper()
	p := &process{t: t, url: url, addr: "127.0.0.1:0"}
	p.start()
	t.Cleanup(func() {
		_ = p.stdin.Close()
		if err := p.command.Wait(); err != nil {
			t.Errorf("a control plane that was told to stop: %v", err)
		}
	})
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.command = exec.Command(os.Args[0])
	p.command.Env = append(os.Environ(), childVariable+"="+p.url, addrVariable+"="+p.addr)
	p.command.Stderr = os.Stderr
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		p.t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		p.t.Fatalf("a control plane did not start: %v", err)
	}
	p.addr = strings.TrimSpace(line)
}

// kill ends the process as kill -9 does.
func (p *process) kill() {
	p.t.Helper()
	if err := p.command.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	_ = p.command.Wait() // which says that it was killed
}

const environment = "prod"

func createEnvironment(t *testing.T, addr string, key *accesskey.Key) {
	t.Helper()
	client := adminv1connect.NewEnvironmentServiceClient(signed(t, key), "http://"+addr)
	_, err := client.Create(t.Context(), &adminv1.EnvironmentServiceCreateRequest{Environment: &adminv1.Environment{Name: environment}})
	if err != nil {
		t.Fatal(err)
	}
}

// writer makes changes, each a field of its own, over the network. It sends each
// until it knows what came of it, to another replica after each failure.
type writer struct {
	name  string
	addrs []string
	http  *http.Client
	acks  map[string]int64
}

func (w *writer) write(ctx context.Context, changes int) error {
	at := 0
	for i := range changes {
		name := fmt.Sprintf("%s_%d", w.name, i)
		request := &adminv1.RevisionServiceApplyRequest{
			Environment: environment, IdempotencyKey: name, Message: name,
			Changes: []*adminv1.Change{{Change: &adminv1.Change_UpsertField{
				UpsertField: &configv1.Field{Name: name, Type: configv1.FieldType_FIELD_TYPE_STRING},
			}}},
		}
		for {
			client := adminv1connect.NewRevisionServiceClient(w.http, "http://"+w.addrs[at%len(w.addrs)])
			answer, err := client.Apply(ctx, request)
			if err == nil {
				w.acks[name] = answer.GetRevision()
				break
			}
			if !cut(err) || ctx.Err() != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			at++
			if err := pause(ctx, time.Duration(1+rand.IntN(20))*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut reports whether a call may have failed because its server was killed. A
// reset connection is canceled to Connect's client.
func cut(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeUnknown, connect.CodeCanceled:
		return true
	default:
		return false
	}
}

// pause waits before something that failed is tried again.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeAll runs writers while disturb does what it does, and returns what they
// were told.
func writeAll(t *testing.T, addrs []string, key *accesskey.Key, writers, changes int, disturb func()) map[string]int64 {
	t.Helper()
	all := make([]*writer, writers)
	errs := make([]error, writers)
	var wait sync.WaitGroup
	for i := range all {
		all[i] = &writer{name: fmt.Sprint("w", i), addrs: addrs, http: signed(t, key), acks: map[string]int64{}}
		wait.Go(func() { errs[i] = all[i].write(t.Context(), changes) })
	}
	disturb()
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	acks := map[string]int64{}
	for _, w := range all {
		maps.Copy(acks, w.acks)
	}
	return acks
}

// checkHistory compares history with what writers were told: a revision for each
// change, without a gap, and the one that was named.
func checkHistory(t *testing.T, addr string, key *accesskey.Key, acks map[string]int64) {
	t.Helper()
	client := adminv1connect.NewRevisionServiceClient(signed(t, key), "http://"+addr)
	found := map[string]int64{}
	hashes := map[int64]*adminv1.Revision{}
	token := ""
	for {
		page, err := client.List(t.Context(), &adminv1.RevisionServiceListRequest{Environment: environment, PageSize: 500, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.GetRevisions() {
			if _, ok := found[r.GetMessage()]; ok {
				t.Errorf("%s is in two revisions", r.GetMessage())
			}
			found[r.GetMessage()] = r.GetRevision()
			hashes[r.GetRevision()] = r
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	for name, revision := range acks {
		if found[name] != revision {
			t.Errorf("%s was acknowledged as revision %d, but is in %d", name, revision, found[name])
		}
	}
	for at := int64(1); at <= int64(len(acks)+1); at++ {
		r := hashes[at]
		if r == nil || at > 1 && r.GetParentHash() != hashes[at-1].GetHash() {
			t.Fatalf("the chain of revisions is broken at %d: %v", at, r)
		}
	}
	if len(hashes) != len(acks)+1 {
		t.Errorf("there are %d revisions for %d changes", len(hashes), len(acks))
	}
	contents, err := client.Get(t.Context(), &adminv1.RevisionServiceGetRequest{Environment: environment, WithContents: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(contents.GetContents().GetFields()); got != len(acks) {
		t.Errorf("the newest revision has %d fields, want %d", got, len(acks))
	}
}

// head returns the newest revision, 0 while nobody answers.
func head(t *testing.T, addr string, client *http.Client) int64 {
	t.Helper()
	answer, err := adminv1connect.NewEnvironmentServiceClient(client, "http://"+addr).
		Get(t.Context(), &adminv1.EnvironmentServiceGetRequest{Environment: environment})
	if err != nil {
		return 0
	}
	return answer.GetEnvironment().GetRevision()
}

// killSometimes kills at random points of what is going on, each time after some
// more of all revisions, as long as there are any left.
func killSometimes(t *testing.T, addr string, key *accesskey.Key, times, all int, kill func()) {
	t.Helper()
	client := signed(t, key)
	random := rand.New(rand.NewPCG(3, 4))
	for range times {
		until := head(t, addr, client) + 1 + random.Int64N(int64(all/times/2))
		for head(t, addr, client) < min(until, int64(all)+1) {
			if err := pause(t.Context(), time.Duration(random.IntN(3000))*time.Microsecond); err != nil {
				t.Fatal(err)
			}
		}
		kill()
	}
}

// TestControlPlaneKilled kills the only control plane while writers write.
func TestControlPlaneKilled(t *testing.T) {
	t.Parallel()
	const writers, changes, kills = 16, 25, 6
	url := dbtest.URL(t)
	key := bootstrap(t, url)
	p := newProcess(t, url)
	createEnvironment(t, p.addr, key)
	acks := writeAll(t, []string{p.addr}, key, writers, changes, func() {
		killSometimes(t, p.addr, key, kills, writers*changes, func() {
			p.kill()
			p.start()
		})
	})
	checkHistory(t, p.addr, key, acks)
}

// TestReplicas has two control planes on one database, of which now one and now
// the other is killed.
func TestReplicas(t *testing.T) {
	t.Parallel()
	const writers, changes, kills = 16, 25, 6
	url := dbtest.URL(t)
	key := bootstrap(t, url)
	replicas := []*process{newProcess(t, url), newProcess(t, url)}
	createEnvironment(t, replicas[0].addr, key)
	addrs := []string{replicas[0].addr, replicas[1].addr}
	turn := 0
	acks := writeAll(t, addrs, key, writers, changes, func() {
		killSometimes(t, addrs[1], key, kills, writers*changes, func() {
			p := replicas[turn%2]
			turn++
			p.kill()
			p.start()
		})
	})
	for _, p := range replicas {
		checkHistory(t, p.addr, key, acks)
	}
}
