package source

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/manifest"
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
	intake
	paths  manifest.Paths
	epoch  int64 // of this process: another one counts its revisions anew
	loader *manifest.Loader
	watch  *watch
	poll   intervals
}

// intervals are pollEvery and pollUnwatched, but for tests.
type intervals struct{ watched, unwatched time.Duration }

var _ Source = (*Files)(nil)

// NewFiles returns a source of the files at paths. It is for one goroutine.
func NewFiles(paths manifest.Paths, holder *snapshot.Holder, log *slog.Logger) *Files {
	loader := manifest.NewLoader(paths)
	return &Files{
		intake: intake{holder: holder, log: log, load: loader.Load},
		paths:  paths, epoch: time.Now().UnixMicro(), loader: loader,
		poll: intervals{watched: pollEvery, unwatched: pollUnwatched},
	}
}

// Start loads the files. The error is manifest.Faults if they are at fault.
func (f *Files) Start(context.Context) error {
	// Watching begins before reading, so that a change in between is an event.
	f.watch = newWatch(f.paths, f.log)
	f.watch.sync()
	set, ruleset, where, err := f.read(f.next)
	f.holder.Confirm(0)
	if err == nil {
		err = f.publish(where, set, ruleset)
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
	f.reload()
}

// reload brings what the files say to the holder.
func (f *Files) reload() {
	f.take(f.next)
	f.holder.Confirm(0)
}

// next is the position of what comes after what is served.
func (f *Files) next() position { return position{f.epoch, f.running() + 1} }
