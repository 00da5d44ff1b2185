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
// values: the documents as the store has them, and the history that it says they
// are of. It is for one goroutine.
type documents struct {
	intake
	set     *manifest.Documents
	history history
	trouble string // why there is no news, as it was logged last; empty if there is
}

func newDocuments(prefix string, holder *snapshot.Holder, log *slog.Logger) documents {
	d := documents{set: manifest.NewDocuments(prefix), history: newHistory(prefix)}
	d.intake = intake{holder: holder, log: log}
	return d
}

// Put makes a text that of a key.
func (d *documents) Put(key, text string) {
	d.history.put(key, text)
	d.set.Put(key, text)
}

// Delete takes a key away. It need not be there.
func (d *documents) Delete(key string) {
	d.history.delete(key)
	d.set.Delete(key)
}

// Replace makes texts, by key, all that there are.
func (d *documents) Replace(texts map[string]string) {
	d.history.replace(texts)
	d.set.Replace(texts)
}

// follow brings the documents to the holder, as a store had them at a revision.
// They are refused while that can not be told from what others have had at its
// epoch and revision. In a later epoch they are served even if they say the same,
// since followers may be told of that epoch by others.
func (d *documents) follow(store uint64, revision int64) {
	later, err := d.history.advance(store, revision)
	if later && d.served != nil {
		d.log.Info("the store has a later epoch", "epoch", d.history.epoch, "revision", revision)
		d.served = nil
	}
	d.load = func() (*manifest.Set, error) {
		if err != nil {
			return nil, err
		}
		return d.set.Load()
	}
	d.take(func() position { return position{d.history.epoch, revision} })
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
