package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/strata-exp/strata/internal/pgcluster"
)

// greeted is standard output of `strata dev`, which tells when the greeting is
// there.
type greeted struct {
	mu   sync.Mutex
	text strings.Builder
	done chan struct{}
}

func (g *greeted) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := strings.Contains(g.text.String(), "Ctrl-C")
	g.text.Write(p)
	if !before && strings.Contains(g.text.String(), "Ctrl-C") {
		close(g.done)
	}
	return len(p), nil
}

func (g *greeted) find(t *testing.T, pattern string) string {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	match := regexp.MustCompile(pattern).FindStringSubmatch(g.text.String())
	if match == nil {
		t.Fatalf("%s is not in:\n%s", pattern, g.text.String())
	}
	return match[1]
}

// dev is everything, running.
type dev struct {
	t         *testing.T
	out       *greeted
	admin     string // URLs
	serving   string
	stop      func() int
	exitCodes chan int
}

func startDev(t *testing.T, args ...string) *dev {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	d := &dev{t: t, out: &greeted{done: make(chan struct{})}, exitCodes: make(chan int, 1)}
	errors := &greeted{done: make(chan struct{})}
	args = append([]string{
		"dev", "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0",
		"--admin-addr", "127.0.0.1:0", "--push-addr", "127.0.0.1:0", "--admin-metrics-addr", "127.0.0.1:0",
	}, args...)
	go func() {
		d.exitCodes <- run(ctx, args, streams{strings.NewReader(""), d.out, errors}, func(string) (string, bool) { return "", false })
	}()
	d.stop = sync.OnceValue(func() int {
		cancel()
		return <-d.exitCodes
	})
	t.Cleanup(func() { d.stop() })
	select {
	case <-d.out.done:
	case code := <-d.exitCodes:
		d.exitCodes <- code
		t.Fatalf("exit code %d: %s", code, errors.text.String())
	}
	d.admin, d.serving = d.out.find(t, `admin API +(http://\S+),`), d.out.find(t, `evaluations +(http://\S+)/experiment`)
	return d
}

// strata runs a command against the control plane.
func (d *dev) strata(want int, args ...string) string {
	d.t.Helper()
	env := map[string]string{"STRATA_SERVER": d.admin, "STRATA_AUTHOR": "tour"}
	code, out, errors := command(d.t, env, args...)
	if code != want {
		d.t.Fatalf("strata %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, errors)
	}
	return out + errors
}

func (d *dev) says(want int, parts []string, args ...string) {
	d.t.Helper()
	out := d.strata(want, args...)
	for _, part := range parts {
		if !strings.Contains(out, part) {
			d.t.Errorf("strata %s does not say %q:\n%s", strings.Join(args, " "), part, out)
		}
	}
}

// evaluate asks the data plane until it serves a revision.
func (d *dev) evaluate(revision string) (model string) {
	d.t.Helper()
	for {
		response, err := http.Post(d.serving+"/experiment", "application/json", strings.NewReader(
			`{"services": ["ranker_svc"], "context": {"user_id": "user_12345", "country": "US", "age": 25}}`))
		if err != nil {
			d.t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			d.t.Fatal(err)
		}
		_ = response.Body.Close()
		var answer struct {
			Revision string
			Results  map[string]struct {
				Parameters struct{ Model struct{ Version string } }
			}
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			d.t.Fatalf("%v: %s", err, body)
		}
		if answer.Revision == revision {
			return answer.Results["ranker_svc"].Parameters.Model.Version
		}
		if err := d.t.Context().Err(); err != nil {
			d.t.Fatalf("revision %s is never served: %s", revision, body)
		}
	}
}

func edit(t *testing.T, file, before, after string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), before) {
		t.Fatalf("%s does not have %q:\n%s", file, before, text)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), before, after, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTour does what README.md does.
func TestTour(t *testing.T) {
	d := startDev(t, "--ephemeral")
	defer http.DefaultClient.CloseIdleConnections()
	if got := d.evaluate("2"); got != "v2.1" {
		t.Errorf("the demo serves model %s", got)
	}
	d.says(0, []string{"ranker_svc", "RUNNING", "80 %"}, "get", "experiments")
	d.says(0, []string{"9000, 10000", "free"}, "get", "layer", "ranker_model")

	folder := filepath.Join(t.TempDir(), "tour")
	d.strata(0, "export", folder)
	d.says(0, []string{"no change"}, "plan", "-f", folder)
	edit(t, filepath.Join(folder, "experiments", "100.yaml"), "v2.1", "v2.2")
	edit(t, filepath.Join(folder, "layers", "ranker_model.yaml"), "{start: 8500, end: 9000, vid: 1102}", "{start: 8500, end: 9500, vid: 1102}")
	d.says(2, []string{"model.version", "v2.2", "500", "1102"}, "plan", "-f", folder)
	d.says(0, []string{"revision 3"}, "apply", "-f", folder, "--yes", "-m", "Model v2.2")
	if got := d.evaluate("3"); got != "v2.2" {
		t.Errorf("revision 3 serves model %s", got)
	}
	question := []string{"--service", "ranker_svc", "--context", `{"user_id": "user_12345", "country": "US", "age": 25}`}
	d.says(0, []string{"revision 3", "v2.2", "slot 6587"}, append([]string{"explain"}, question...)...)
	d.says(0, []string{"v2.1"}, append([]string{"eval", "--revision", "2"}, question...)...)
	d.says(0, []string{"revision 4"}, "allocate", "100", "--percent", "1001=30", "--percent", "1002=50", "--yes")
	d.says(0, []string{"revision 5"}, "rollback", "2", "--yes")
	if got := d.evaluate("5"); got != "v2.1" {
		t.Errorf("after the rollback model %s is served", got)
	}
	d.says(0, []string{"Model v2.2", "rollback to 2", "tour", "Allocate slots to"}, "history")
	d.says(0, []string{"no change"}, "diff", "2", "5")

	bundle := d.strata(0, "export")
	code, out, errors := commandWith(t, strings.NewReader(bundle), map[string]string{"STRATA_SERVER": d.admin}, "apply", "-f", "-")
	if code != 0 || !strings.Contains(out+errors, "no change") {
		t.Errorf("an export that is applied: exit code %d\n%s%s", code, out, errors)
	}
	d.says(0, []string{"revision     5"}, "get", "environment", "demo")
	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestDevKeepsItsData starts everything again on the same data.
func TestDevKeepsItsData(t *testing.T) {
	defer http.DefaultClient.CloseIdleConnections()
	folder := dataFolder(t)
	first := startDev(t, "--data-dir", folder)
	first.strata(0, "pause", "100", "--yes")
	if code := first.stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	second := startDev(t, "--data-dir", folder)
	second.evaluate("3")
	second.says(0, []string{"PAUSED"}, "get", "experiment", "100")
}

// TestDevNamesItsOwnFlags has the admin API's port in use.
func TestDevNamesItsOwnFlags(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	code, _, errors := command(t, nil, "dev", "--ephemeral", "--admin-addr", listener.Addr().String(),
		"--http-addr", "127.0.0.1:0", "--push-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--admin-metrics-addr", "127.0.0.1:0")
	if code != 1 || !strings.Contains(errors, "--admin-addr: listen") {
		t.Errorf("exit code %d: %s", code, errors)
	}
}

// dataFolder is where a private database of this test alone can be.
func dataFolder(t *testing.T) string {
	t.Helper()
	folder, err := pgcluster.TempDir(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pgcluster.Remove(context.Background(), filepath.Join(folder, "postgres")); err != nil {
			t.Error(err)
		}
		if err := os.Remove(folder); err != nil {
			t.Error(err)
		}
	})
	return folder
}
