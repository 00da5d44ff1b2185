package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long a test waits for what must happen; it decides nothing
// unless the test fails.
const limit = 20 * time.Second

type bundle struct {
	t      *testing.T
	root   string
	holder *snapshot.Holder
	files  *Files
	log    *lines
}

// lines is a log that counts.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// setup makes a configuration of one layer and one experiment in root/layers
// and root/experiments. It is not started.
func setup(t *testing.T) *bundle {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bundle{t: t, root: root, holder: snapshot.NewHolder(time.Now), log: &lines{}}
	b.mkdir("layers")
	b.mkdir("experiments")
	b.write("layers/a.json", layer("a"))
	b.write("experiments/1.json", experiment("one"))
	b.at(filepath.Join(root, "layers"), filepath.Join(root, "experiments"), "")
	return b
}

func (b *bundle) at(layers, experiments, fields string) {
	b.files = NewFiles(manifest.Paths{Layers: layers, Experiments: experiments, Fields: fields},
		b.holder, slog.New(slog.NewTextHandler(b.log, nil)))
	b.files.poll = intervals{time.Hour, time.Hour} // so that it is the watch that is tested
}

// start loads the configuration and follows it until the test ends.
func (b *bundle) start() {
	b.t.Helper()
	b.must(b.files.Start(b.t.Context()))
	b.run()
}

// run follows the configuration until the test ends.
func (b *bundle) run() {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan error, 1)
	go func() { done <- b.files.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
}

func layer(id string) string {
	return fmt.Sprintf(`{"layer_id": %q, "priority": 1, "hash_key": "user_id", "salt": "s",
		"ranges": [{"start": 0, "end": 10000, "vid": 11}]}`, id)
}

func experiment(value string) string {
	return fmt.Sprintf(`{"eid": 1, "service": "svc", "variants": [{"vid": 11, "params": {"v": %q}}]}`, value)
}

func (b *bundle) path(name string) string { return filepath.Join(b.root, name) }

func (b *bundle) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bundle) mkdir(name string) { b.t.Helper(); b.must(os.MkdirAll(b.path(name), 0o700)) }

func (b *bundle) write(name, text string) {
	b.t.Helper()
	b.must(os.WriteFile(b.path(name), []byte(text), 0o600))
}

// save writes a file as editors do: a new one beside it, renamed over it.
func (b *bundle) save(name, text string) {
	b.t.Helper()
	temporary := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".tmp")
	b.write(temporary, text)
	b.rename(temporary, name)
}

func (b *bundle) rename(from, to string) { b.t.Helper(); b.must(os.Rename(b.path(from), b.path(to))) }

// link makes a link, replacing what is there in one step.
func (b *bundle) link(target, name string) {
	b.t.Helper()
	b.must(os.Symlink(target, b.path(name+".new")))
	b.rename(name+".new", name)
}

// value is what the running configuration answers.
func (b *bundle) value() string {
	b.t.Helper()
	result := b.holder.Current().Ruleset.Evaluate("svc", engine.Context{{Name: "user_id", Value: engine.StringValue("u")}}, nil, nil)
	var parameters struct{ V string }
	b.must(json.Unmarshal([]byte(result.Parameters), &parameters))
	return parameters.V
}

// await waits until the condition holds, looking at each change.
func (b *bundle) await(what string, condition func() bool) {
	b.t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for {
		changed := b.holder.Changed()
		if condition() {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			failure, _ := b.holder.Failure()
			b.t.Fatalf("not yet: %s; revision %d answers %q, failure: %v\n%s",
				what, b.holder.Current().Revision(), b.value(), failure.Err, b.log.b.String())
		}
	}
}

func (b *bundle) awaitValue(want string) {
	b.t.Helper()
	b.await("answer "+want, func() bool { return b.value() == want })
}

func (b *bundle) awaitFailure(text string) {
	b.t.Helper()
	b.await("failure "+text, func() bool {
		failure, ok := b.holder.Failure()
		return ok && strings.Contains(failure.Err.Error(), text)
	})
}

func TestFilesFollowsWrites(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start()
	if b.value() != "one" || b.holder.Current().Revision() != 1 {
		t.Fatalf("revision %d answers %q", b.holder.Current().Revision(), b.value())
	}
	b.write("experiments/1.json", experiment("two"))
	b.awaitValue("two")
	b.save("experiments/1.json", experiment("six")) // of the same length
	b.awaitValue("six")
	b.must(os.Remove(b.path("experiments/1.json")))
	b.awaitFailure("no variant")
	b.write("experiments/1.yaml", "eid: 1\nservice: svc\nvariants: [{vid: 11, params: {v: yaml}}]\n")
	b.awaitValue("yaml")
	if revision := b.holder.Current().Revision(); revision != 4 {
		t.Errorf("revision %d, want 4", revision)
	}
}

func TestFilesKeepsWhatWorks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start()
	b.save("experiments/1.json", `{"eid": 1, "service": "", "variants": [{"vid": 11, "params": []}]}`)
	b.awaitFailure("experiments/1.json")
	failure, _ := b.holder.Failure()
	faults := new(manifest.Faults)
	if !errors.As(failure.Err, faults) {
		t.Errorf("got %T", failure.Err)
	}
	if b.value() != "one" {
		t.Errorf("it answers %q", b.value())
	}
	// Another fault is told; the same one is not told again.
	b.save("experiments/1.json", `{"eid": 1,`)
	b.awaitFailure("not valid JSON")
	b.save("experiments/1.json", `{"eid": 1,`)
	b.save("experiments/1.json", experiment("one"))
	b.await("no failure", func() bool { _, failed := b.holder.Failure(); return !failed })
	if revision := b.holder.Current().Revision(); revision != 1 {
		t.Errorf("revision %d, though the files are as they were", revision)
	}
	if n := b.log.count("level=ERROR"); n != 2 {
		t.Errorf("%d errors were logged, want 2:\n%s", n, b.log.b.String())
	}
	if published, refused := b.holder.Loads(); published != 1 || refused != 2 {
		t.Errorf("%d published, %d refused", published, refused)
	}
}

func TestFilesMakesNoRevisionOfNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start()
	b.save("experiments/1.json", experiment("one"))
	b.save("experiments/notes.txt", "nothing")
	b.save("experiments/.hidden.json", "{")
	b.save("elsewhere.json", "{")
	b.save("experiments/1.json", experiment("two"))
	b.awaitValue("two")
	if revision := b.holder.Current().Revision(); revision != 2 {
		t.Errorf("revision %d, want 2", revision)
	}
	// A file that was refused is not compiled again and again.
	b.save("layers/b.json", layer("b")) // its slots take the same variant
	b.awaitFailure("layers/")
	b.files.reload()
	if _, refused := b.holder.Loads(); refused != 1 {
		t.Errorf("%d refused, want 1", refused)
	}
}

func TestFilesFollowsFields(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write("experiments/1.json", `{"eid": 1, "service": "svc",
		"rule": {"type": "field", "field": "age", "op": "gt", "values": [17]},
		"variants": [{"vid": 11, "params": {"v": "one"}}]}`)
	b.start()
	b.write("fields.json", `{"age": "string"}`)
	b.awaitFailure("rule.values[0]")
	b.save("fields.json", `{"age": "int"}`)
	b.await("revision 2", func() bool { return b.holder.Current().Revision() == 2 })
	b.must(os.Remove(b.path("fields.json")))
	b.await("revision 3", func() bool { return b.holder.Current().Revision() == 3 })
}

func TestFilesFollowsAFieldsFileElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.mkdir("other")
	b.write("other/types.yaml", "age: int\n")
	b.at(b.path("layers"), b.path("experiments"), b.path("other/types.yaml"))
	b.start()
	b.save("other/types.yaml", "age: float\n")
	b.await("revision 2", func() bool { return b.holder.Current().Revision() == 2 })
}

// TestFilesFollowsConfigMaps does what the kubelet does to the volume of a
// ConfigMap.
func TestFilesFollowsConfigMaps(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.mkdir("volume/..2026_1")
	b.write("volume/..2026_1/1.json", experiment("one"))
	b.must(os.Symlink("..2026_1", b.path("volume/..data")))
	b.must(os.Symlink("..data/1.json", b.path("volume/1.json")))
	b.at(b.path("layers"), b.path("volume"), "")
	b.start()
	for i, value := range []string{"two", "six"} {
		folder := fmt.Sprintf("volume/..2026_%d", i+2)
		b.mkdir(folder)
		b.write(folder+"/1.json", experiment(value))
		b.must(os.Symlink(filepath.Base(folder), b.path("volume/..data_tmp")))
		b.rename("volume/..data_tmp", "volume/..data")
		b.must(os.RemoveAll(b.path(fmt.Sprintf("volume/..2026_%d", i+1))))
		b.awaitValue(value)
	}
	if b.log.count("level=ERROR") != 0 {
		t.Errorf("a swap was not seen as one:\n%s", b.log.b.String())
	}
}

func TestFilesFollowsLinks(t *testing.T) {
	t.Parallel()
	t.Run("to the folder", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.mkdir("v1")
		b.mkdir("v2")
		b.write("v1/1.json", experiment("one"))
		b.write("v2/1.json", experiment("two"))
		b.link("v1", "current")
		b.at(b.path("layers"), b.path("current"), "")
		b.start()
		b.link("v2", "current")
		b.awaitValue("two")
		b.write("v2/1.json", experiment("six"))
		b.awaitValue("six")
		b.link("v1", "current")
		b.awaitValue("one")
	})
	t.Run("on the way to it", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for i, value := range []string{"one", "two"} {
			b.mkdir(fmt.Sprintf("v%d/layers", i))
			b.mkdir(fmt.Sprintf("v%d/experiments", i))
			b.write(fmt.Sprintf("v%d/layers/a.json", i), layer("a"))
			b.write(fmt.Sprintf("v%d/experiments/1.json", i), experiment(value))
		}
		b.link(b.path("v0"), "current")
		b.at(b.path("current/layers"), b.path("current/experiments"), "")
		b.start()
		b.link(b.path("v1"), "current")
		b.awaitValue("two")
		b.write("v1/experiments/1.json", experiment("six"))
		b.awaitValue("six")
	})
	t.Run("from a file", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.mkdir("store")
		b.write("store/x.json", experiment("two"))
		b.link(b.path("store/x.json"), "experiments/1.json")
		b.start()
		b.save("store/x.json", experiment("six"))
		b.awaitValue("six")
	})
}

func TestFilesSurvivesAVanishingFolder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		vanish func(*bundle)
		back   func(*bundle)
	}{
		{
			"renamed", func(b *bundle) { b.rename("experiments", "away") }, func(b *bundle) {
				b.write("away/1.json", experiment("two"))
				b.rename("away", "experiments")
			},
		},
		{
			"deleted", func(b *bundle) { b.must(os.RemoveAll(b.path("experiments"))) }, func(b *bundle) {
				b.mkdir("new")
				b.write("new/1.json", experiment("two"))
				b.rename("new", "experiments")
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.start()
			test.vanish(b)
			b.awaitFailure("does not exist")
			if b.value() != "one" {
				t.Errorf("it answers %q", b.value())
			}
			test.back(b)
			b.awaitValue("two")
			b.write("experiments/1.json", experiment("six"))
			b.awaitValue("six")
		})
	}
}

func TestFilesPollsWhereThereIsNoWatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.files.poll.unwatched = time.Millisecond
	if err := b.files.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.files.watch.close()
	b.files.watch.notify = nil
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.files.Run(ctx) }()
	b.save("experiments/1.json", experiment("longer"))
	b.awaitValue("longer")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFilesPollsSeldomWhereThereIsAWatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.files.poll = intervals{watched: 2, unwatched: 1}
	b.must(b.files.Start(t.Context()))
	defer b.files.watch.close()
	if got := b.files.pollIn(); got != 2 {
		t.Errorf("got %d", got)
	}
	b.files.watch.missing(b.path("experiments"), os.ErrPermission)
	if got := b.files.pollIn(); got != 1 {
		t.Errorf("got %d", got)
	}
	b.files.watch.sync()
	if got := b.files.pollIn(); got != 2 {
		t.Errorf("got %d once it can be watched", got)
	}
}

// TestFilesShowsTheFailureThatIs breaks a file while another failure lasts, and
// takes it away again.
func TestFilesShowsTheFailureThatIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start()
	b.save("layers/b.json", layer("b")) // its slots take the same variant
	b.awaitFailure("layers/")
	compiled, _ := b.holder.Failure()
	b.save("experiments/broken.json", "{")
	b.awaitFailure("broken.json")
	b.must(os.Remove(b.path("experiments/broken.json")))
	b.await("the failure from before", func() bool {
		failure, ok := b.holder.Failure()
		return ok && failure.Err.Error() == compiled.Err.Error()
	})
}

// TestFilesFollowsAFolderOnTheWay replaces a folder that holds the
// configuration's, which no link leads to.
func TestFilesFollowsAFolderOnTheWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for root, value := range map[string]string{"p": "one", "q": "two"} {
		b.mkdir(root + "/x/layers")
		b.mkdir(root + "/x/experiments")
		b.write(root+"/x/layers/a.json", layer("a"))
		b.write(root+"/x/experiments/1.json", experiment(value))
	}
	b.at(b.path("p/x/layers"), b.path("p/x/experiments"), "")
	b.start()
	b.rename("p", "old")
	b.rename("q", "p")
	b.awaitValue("two")
	b.write("p/x/experiments/1.json", experiment("six"))
	b.awaitValue("six")
}

// TestFilesReadsEverythingAfterALoss changes a file so that it looks the same,
// and lets nobody hear of it but for an overflow.
func TestFilesReadsEverythingAfterALoss(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.must(b.files.Start(t.Context()))
	for _, path := range b.files.watch.notify.WatchList() {
		b.must(b.files.watch.notify.Remove(path))
	}
	before, err := os.Stat(b.path("experiments/1.json"))
	b.must(err)
	b.write("experiments/1.json", experiment("two"))
	b.must(os.Chtimes(b.path("experiments/1.json"), before.ModTime(), before.ModTime()))
	b.files.reload()
	if b.value() != "one" {
		t.Fatal("it does not look the same")
	}
	b.run()
	b.files.watch.notify.Errors <- fsnotify.ErrEventOverflow
	b.awaitValue("two")
}

func TestFilesStartNamesEveryFault(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.write("layers/b.json", "{")
	b.write("experiments/2.json", "[]")
	err := b.files.Start(t.Context())
	if err == nil {
		t.Fatal("it started")
	}
	for _, want := range []string{"layers/b.json", "experiments/2.json"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in:\n%v", want, err)
		}
	}
	if b.holder.Current() != nil {
		t.Error("something is served")
	}
	b.at(b.path("nowhere"), b.path("experiments"), "")
	if err := b.files.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v", err)
	}
}
