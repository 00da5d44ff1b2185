package source

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/manifest"
)

// documents is what sources have in common that follow a store of keys and
// values: the documents as the store has them, and where they stand among what
// the store had before. It is for one goroutine.
type documents struct {
	intake
	*manifest.Documents
	epoch   int64 // of the store's revisions, at least 1
	latest  int64 // the highest of the store's revisions that was taken in this epoch
	trouble string
}

// firstEpoch is that of a store that has had one history since this process
// began to follow it.
const firstEpoch = 1

func newDocuments(prefix string, holder *snapshot.Holder, log *slog.Logger) documents {
	d := documents{Documents: manifest.NewDocuments(prefix), epoch: firstEpoch}
	d.intake = intake{holder: holder, log: log, load: d.Load}
	return d
}

// follow brings the documents to the holder, as the store had them at a revision.
//
// Revisions of a store grow with each of its changes, so two data planes that
// serve the same revision in the same epoch serve the same contents. Where a
// store has others at a revision that is not above what was taken before, as one
// that was restored from a backup has, or where the caller knows it to be another
// store, these are later all the same: they get an epoch of their own, the time
// in microseconds since 1970.
func (d *documents) follow(revision int64, another bool) {
	if another {
		d.renew(revision)
	}
	d.take(func() position {
		if revision <= d.latest {
			d.renew(revision)
		}
		return position{d.epoch, revision}
	})
	d.latest = max(d.latest, revision)
}

// renew begins another epoch.
func (d *documents) renew(revision int64) {
	d.epoch = max(d.epoch+1, time.Now().UnixMicro())
	d.log.Warn("the store has another history than before, as one that was replaced or restored from a backup",
		"revision", revision, "before", d.latest, "epoch", d.epoch)
	d.latest = 0
}

// complain says why there is no news of the store, once for each reason.
func (d *documents) complain(err error) {
	if err.Error() == d.trouble {
		return
	}
	d.trouble = err.Error()
	d.log.Warn("no news of the configuration; what was served goes on being served", "error", err)
}

// confirm notes that, so long ago, the documents were what the store has.
func (d *documents) confirm(ago time.Duration) {
	d.holder.Confirm(ago)
	if d.trouble != "" {
		d.trouble = ""
		d.log.Info("there is news of the configuration again")
	}
}

// ready reports whether there is a configuration to serve.
func (d *documents) ready() bool { return d.holder.Current() != nil }

// pauses are the waits between attempts. They grow from the first to the
// longest, with jitter, so that data planes do not come back all at once to what
// could not serve them.
type pauses struct{ first, longest, last time.Duration }

func newPauses() pauses { return pauses{first: 100 * time.Millisecond, longest: 10 * time.Second} }

// wait waits for the next pause, and reports whether ctx goes on.
func (p *pauses) wait(ctx context.Context) bool {
	p.last = min(max(p.first, 2*p.last), p.longest)
	timer := time.NewTimer(rand.N(p.last))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// over begins with short pauses again.
func (p *pauses) over() { p.last = 0 }
