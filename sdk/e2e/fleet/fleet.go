package fleet

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/strata-exp/strata/controlplane"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// Environment is the one that everybody follows.
const Environment = "prod"

// Link is a connection from one part to another, on which something may happen
// to what is sent. The parts are named as "dp0" and "cp0". It returns the address
// to go to.
type Link func(from, to, address string) string

// Options say what runs.
type Options struct {
	// ControlPlanes and DataPlanes are how many run: at least one of the first.
	ControlPlanes, DataPlanes int
	// Heartbeat is that of all streams; 0 is a second.
	Heartbeat time.Duration
	// Build is how the planes are built.
	Build Build
	// Link stands between parts; nil is a direct way.
	Link Link
	// World is what is published.
	World World
	// HTTP2 has data planes follow over HTTP/2.
	HTTP2 bool
	// ControlFlags and DataFlags are further flags.
	ControlFlags, DataFlags []string
	// Database, if not nil, makes of the database's URL the one that control planes
	// use.
	Database func(url string) string
}

// Fleet is a system that runs.
type Fleet struct {
	t       T
	options Options
	dir     string

	// Seed is what all that is random comes from.
	Seed     uint64
	Recorder *history.Recorder
	Postgres *Postgres
	Control  []*ControlPlane
	Data     []*DataPlane
	Admin    *Admin
	// PlaneKey follows the whole environment.
	PlaneKey *accesskey.Key
	build    string
	lost     bool
	sparse   int64
}

// ControlPlane is a control plane's process and where it listens.
type ControlPlane struct {
	*Process
	HTTP, Push, Metrics string
}

// DataPlane is a data plane's process and where it listens.
type DataPlane struct {
	*Process
	HTTP, Metrics string
	CacheDir      string
	Upstream      string // URL of what it follows
}

// SeedVariable is the environment variable that repeats a run.
const SeedVariable = "STRATA_SEED"

// NewSeed returns the seed of the environment, or a new one.
func NewSeed() uint64 {
	if seed, err := strconv.ParseUint(os.Getenv(SeedVariable), 10, 64); err == nil {
		return seed
	}
	return rand.Uint64()
}

// Start starts a system with a world in it, which ends with the test.
func Start(t T, options Options) *Fleet {
	t.Helper()
	options.Heartbeat = cmp.Or(options.Heartbeat, time.Second)
	options.World.Layers = cmp.Or(options.World.Layers, 12)
	f := &Fleet{t: t, options: options, dir: Folder(t, "fleet"), Seed: NewSeed(), Recorder: history.NewRecorder()}
	t.Cleanup(func() { // after everything else
		if t.Failed() {
			t.Logf("%s=%d", SeedVariable, f.Seed)
			if err := f.Recorder.WriteFile(filepath.Join(f.dir, "history.jsonl")); err != nil {
				t.Logf("the history: %v", err)
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var err error
	f.build, err = Binary(ctx, options.Build)
	must(t, "build", err)
	f.Postgres, err = startPostgres(ctx, f.dir)
	must(t, "start PostgreSQL", err)
	t.Cleanup(func() {
		if err := f.Postgres.remove(); err != nil {
			t.Errorf("end PostgreSQL: %v", err)
		}
	})
	admin, err := controlplane.Bootstrap(ctx, f.Postgres.URL(), controlplane.BootstrapOptions{Name: "admin"})
	must(t, "make the first key", err)
	for range options.ControlPlanes {
		f.AddControlPlane(ctx)
	}
	f.Admin = newAdmin(f, admin)
	must(t, "create the environment", f.Admin.createEnvironment(ctx))
	_, err = f.Admin.Apply(ctx, &adminv1.RevisionServiceApplyRequest{Message: "begin", IdempotencyKey: "begin", Changes: options.World.Begin()})
	must(t, "make the world", err)
	f.PlaneKey, err = f.Admin.NewKey(ctx, "planes", servingv1.Role_ROLE_PLANE)
	must(t, "make a key for data planes", err)
	for i := range options.DataPlanes {
		f.AddDataPlane(ctx, f.Control[i%len(f.Control)])
	}
	return f
}

// Dir is the folder of everything that the test leaves.
func (f *Fleet) Dir() string { return f.dir }

// Random returns a source of random numbers that the seed and a name determine.
func (f *Fleet) Random(name string) *rand.Rand {
	sum := f.Seed
	for _, b := range []byte(name) {
		sum = sum*31 + uint64(b)
	}
	return rand.New(rand.NewPCG(f.Seed, sum))
}

// Between returns the address by which one part reaches another one.
func (f *Fleet) Between(from, to, address string) string {
	if f.options.Link == nil {
		return address
	}
	return f.options.Link(from, to, address)
}

func (f *Fleet) addresses(ctx context.Context, n int) []string {
	all := make([]string, n)
	for i := range all {
		var err error
		all[i], err = freeAddress(ctx)
		must(f.t, "find a port", err)
	}
	return all
}

// process makes a process that ends with the test.
func (f *Fleet) process(name string, args, env []string) *Process {
	p := &Process{
		Name: name, path: f.build, args: args, env: env, logFile: filepath.Join(f.dir, name+".log"),
		onLog:   func(r Record) { f.logged(name, r) },
		onStart: func() { f.Recorder.Add(history.Event{Observer: name, What: history.Start}) },
	}
	f.t.Cleanup(func() {
		p.Kill()
		if p.crash != "" {
			f.t.Errorf("%s: %s; see %s", name, p.crash, p.logFile)
		}
	})
	return p
}

// logged records what a process says of its stream.
func (f *Fleet) logged(name string, r Record) {
	if cause := r.Text("cause"); cause != "" && r.Text("msg") == streamEnded {
		f.Recorder.Add(history.Event{Observer: name + "/log", What: history.End, Kind: cause, Text: r.Text("error")})
	}
}

// AddControlPlane starts another control plane.
func (f *Fleet) AddControlPlane(ctx context.Context) *ControlPlane {
	name := fmt.Sprintf("cp%d", len(f.Control))
	at := f.addresses(ctx, 3)
	url := f.Postgres.URL()
	if f.options.Database != nil {
		url = f.options.Database(url)
	}
	args := append([]string{
		"controlplane", "--allow-unsafe-database", "--database-url", url,
		"--http-addr", at[0], "--push-addr", at[1], "--metrics-addr", at[2],
		"--heartbeat", f.options.Heartbeat.String(),
	}, f.options.ControlFlags...)
	c := &ControlPlane{Process: f.process(name, args, nil), HTTP: at[0], Push: at[1], Metrics: at[2]}
	must(f.t, "start "+name, c.Start(ctx))
	f.Control = append(f.Control, c)
	return c
}

// AddDataPlane starts another data plane, which follows a control plane.
func (f *Fleet) AddDataPlane(ctx context.Context, follows *ControlPlane, flags ...string) *DataPlane {
	d := f.NewDataPlane(ctx, f.Between(fmt.Sprintf("dp%d", len(f.Data)), follows.Name, follows.Push), flags...)
	must(f.t, "start "+d.Name, d.Start(ctx))
	f.AwaitReady(d, 10*time.Second) //nolint:contextcheck // it waits for the test
	return d
}

// NewDataPlane makes a data plane that follows what is at an address, and does
// not start it.
func (f *Fleet) NewDataPlane(ctx context.Context, upstream string, flags ...string) *DataPlane {
	name := fmt.Sprintf("dp%d", len(f.Data))
	at := f.addresses(ctx, 2)
	d := &DataPlane{HTTP: at[0], Metrics: at[1], CacheDir: filepath.Join(f.dir, name+"-cache"), Upstream: "http://" + upstream}
	args := append([]string{
		"dataplane", "--source", "stream", "--control-plane", d.Upstream, "--environment", Environment,
		"--instance", name, "--cache-dir", d.CacheDir, "--http-addr", d.HTTP, "--metrics-addr", d.Metrics,
		"--heartbeat", f.options.Heartbeat.String(), fmt.Sprintf("--upstream-http2=%t", f.options.HTTP2),
	}, append(f.options.DataFlags, flags...)...)
	d.Process = f.process(name, args, []string{
		accesskey.AccessKeyVariable + "=" + f.PlaneKey.AccessKey(), accesskey.SecretKeyVariable + "=" + f.PlaneKey.SecretKey(),
	})
	f.Data = append(f.Data, d)
	return d
}

// SetEnv adds a variable to the environment of a process that starts later.
func (p *Process) SetEnv(name, value string) { p.env = append(p.env, name+"="+value) }

// Lose says that the database loses what it acknowledged, on purpose.
func (f *Fleet) Lose() { f.lost = true }

// Sparse has only one of so many revisions compared with the database, where
// revisions are large.
func (f *Fleet) Sparse(n int64) { f.sparse = n }
