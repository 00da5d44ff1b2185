package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

const (
	// quiet is how long nothing may happen before files are read: whoever writes
	// several has then written them all. It is the larger part of the 100 ms
	// from the last write to its being served.
	quiet = 20 * time.Millisecond
	// patience bounds the wait for quiet, should something never stop writing.
	patience = time.Second
	// pollEvery is how often files are looked at where events come, since some
	// file systems tell of only a part of the changes. Looking at 20,000 files
	// takes a sixth of a second.
	pollEvery = 10 * time.Second
	// pollUnwatched is the same where a folder can not be watched.
	pollUnwatched = time.Second
)

// Files is a source of files in folders. Each content of the files that differs
// from the one before it is a revision: 1, 2, 3 and so on, counted anew by each
// process.
type Files struct {
	paths  manifest.Paths
	holder *snapshot.Holder
	log    *slog.Logger
	loader *manifest.Loader
	watch  *watch
	poll   intervals

	served  *manifest.Set // what the holder has
	refused *manifest.Set // the last one that did not compile
	refusal error         // why it did not
	failure string        // the text of the failure that the holder has, or ""
}

// intervals are pollEvery and pollUnwatched, but for tests.
type intervals struct{ watched, unwatched time.Duration }

var _ Source = (*Files)(nil)

// NewFiles returns a source of the files at paths. It is for one goroutine.
func NewFiles(paths manifest.Paths, holder *snapshot.Holder, log *slog.Logger) *Files {
	return &Files{
		paths: paths, holder: holder, log: log, loader: manifest.NewLoader(paths),
		poll: intervals{watched: pollEvery, unwatched: pollUnwatched},
	}
}

// Start loads the files. The error is manifest.Faults if they are at fault.
func (f *Files) Start(context.Context) error {
	// Watching begins before reading, so that a change in between is an event.
	f.watch = newWatch(f.paths, f.log)
	f.watch.sync()
	set, ruleset, err := f.read()
	if err == nil {
		err = f.publish(set, ruleset)
	}
	if err != nil {
		f.watch.close()
	}
	return err
}

// Run watches the files, and looks at them from time to time, until ctx ends.
func (f *Files) Run(ctx context.Context) error {
	defer f.watch.close()
	poll := time.NewTimer(f.pollIn())
	defer poll.Stop()
	settled := time.NewTimer(quiet) // a change since Start may have gone unseen if there is no watch
	defer settled.Stop()
	var since time.Time // the first event that was not loaded yet
	for {
		select {
		case <-ctx.Done():
			return nil
		case event, ok := <-f.watch.events():
			if !ok {
				return errors.New("the watch on the files has ended")
			}
			touched, relevant := f.watch.touched(event)
			if !relevant {
				continue
			}
			for _, path := range touched {
				f.loader.Touch(path)
			}
			now := time.Now()
			if since.IsZero() {
				since = now
			}
			settled.Reset(min(quiet, max(0, patience-now.Sub(since))))
		case err := <-f.watch.errors():
			f.log.Warn("an event about the files was lost, so all are read again", "error", err)
			for _, path := range f.watch.all() {
				f.loader.Touch(path) // it may have been about any file
			}
			settled.Reset(quiet)
		case <-settled.C:
			since = time.Time{}
			f.look()
			poll.Reset(f.pollIn())
		case <-poll.C:
			if since.IsZero() { // else it is about to be loaded
				f.look()
			}
			poll.Reset(f.pollIn())
		}
	}
}

// pollIn is when to look at the files next if no event comes.
func (f *Files) pollIn() time.Duration {
	if f.watch.stands() {
		return f.poll.watched
	}
	return f.poll.unwatched
}

// look brings what the files say to the holder, and watches where they now are.
func (f *Files) look() {
	f.watch.sync()
	f.load()
}

// load brings what the files say to the holder.
func (f *Files) load() {
	set, ruleset, err := f.read()
	switch {
	case err != nil:
		f.refuse(err)
	case ruleset != nil:
		if err := f.publish(set, ruleset); err != nil {
			f.refuse(err)
		}
	case set == f.served && f.failure != "":
		f.failure = ""
		f.holder.Agree()
		f.log.Info("the files are again what is served", "revision", f.holder.Current().Revision())
	}
}

// read returns what the files say. The ruleset is nil if that is what is served.
// What was refused before is not compiled again. A panic is an error: a file
// must not end the process that serves the one before it.
func (f *Files) read() (set *manifest.Set, ruleset *engine.Ruleset, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic while reading files: %v\n%s", fault, debug.Stack())
		}
	}()
	set, err = f.loader.Load()
	if err != nil {
		return nil, nil, err
	}
	if set == f.refused {
		// Another failure may have been told of since, of a file that is gone.
		return nil, nil, f.refusal
	}
	if f.served != nil && equal(f.served, set) {
		f.served = set // the next comparison is by pointer
		return set, nil, nil
	}
	previous := (*engine.Ruleset)(nil)
	if running := f.holder.Current(); running != nil {
		previous = running.Ruleset
	}
	ruleset, err = set.Compile(previous, previous.Revision()+1)
	if err != nil {
		f.refused, f.refusal = set, err
		return nil, nil, err
	}
	return set, ruleset, nil
}

func (f *Files) publish(set *manifest.Set, ruleset *engine.Ruleset) error {
	if err := f.holder.Publish(ruleset); err != nil {
		return err
	}
	f.served, f.refused, f.refusal, f.failure = set, nil, nil, ""
	f.log.Info("serving a new revision", "revision", ruleset.Revision(),
		"layers", ruleset.Layers(), "experiments", ruleset.Experiments())
	return nil
}

// refuse tells of a failure once, however often it is met.
func (f *Files) refuse(err error) {
	if err.Error() == f.failure {
		return
	}
	f.failure = err.Error()
	f.holder.Refuse(err)
	f.log.Error("the files are refused, what was served goes on being served",
		"revision", f.holder.Current().Revision(), "faults", strings.Split(err.Error(), "\n"))
}

// equal reports whether two sets have the same content. Sets that differ by a
// few files share the messages of all others.
func equal(a, b *manifest.Set) bool {
	if a == b {
		return true
	}
	return slices.EqualFunc(a.Snapshot.GetLayers(), b.Snapshot.GetLayers(), same) &&
		slices.EqualFunc(a.Snapshot.GetExperiments(), b.Snapshot.GetExperiments(), same) &&
		slices.EqualFunc(a.Snapshot.GetFields(), b.Snapshot.GetFields(), same)
}

func same[M interface {
	comparable
	proto.Message
}](a, b M) bool {
	return a == b || proto.Equal(a, b)
}
