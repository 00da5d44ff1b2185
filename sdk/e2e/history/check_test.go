package history_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/strata-exp/strata/sdk/e2e/history"
	"github.com/strata-exp/strata/sdk/go/view"
)

const (
	epoch = 1000
	head  = 5
	beat  = time.Second
)

func hash(scope string, revision int64) string { return fmt.Sprintf("%s-%d-abcdefgh", scope, revision) }

func truth() *history.Truth {
	t := &history.Truth{
		Head: view.Position{Epoch: epoch, Revision: head}, Floor: 1,
		Hash: func(scope string, at view.Position) (string, bool) {
			return hash(scope, at.Revision), at.Epoch == epoch
		},
		Answer: func(revision int64, question string) (string, bool) {
			return fmt.Sprint(question, "@", revision), true
		},
	}
	for r := int64(1); r <= head; r++ {
		t.Revisions = append(t.Revisions, history.Revision{
			Number: r, Key: fmt.Sprint("k", r), Hash: fmt.Sprint("chain", r), Parent: fmt.Sprint("chain", r-1),
		})
	}
	return t
}

// record makes a history of events that are 100 ms apart.
func record(events ...history.Event) []history.Event {
	for i := range events {
		events[i].At = time.Duration(i+1) * 100 * time.Millisecond
		if events[i].Epoch == 0 && events[i].Revision != 0 {
			events[i].Epoch = epoch
		}
	}
	return events
}

// update is one that the tap was sent.
func update(kind string, from, to int64) history.Event {
	return history.Event{
		Observer: "tap", What: history.Update, Kind: kind, From: from, Revision: to, Hash: hash("", to), Own: hash("", to),
	}
}

func seen(what history.What, observer, scope string, at int64) history.Event {
	return history.Event{Observer: observer, What: what, Revision: at, Scope: scope, Hash: hash(scope, at)}
}

// good is a history in which everything is as it should be: a wire observer, a
// follower that goes through a rejection and a restart, a publisher that has to
// try again, and answers.
func good() []history.Event {
	return record(
		history.Event{Observer: "tap", What: history.Start, Text: "fresh"},
		history.Event{Observer: "tap", What: history.Hello},
		update(history.Full, 0, 1),
		seen(history.Beat, "tap", "", 1),
		history.Event{Observer: "pub", What: history.Invoke, Key: "k2"},
		history.Event{Observer: "pub", What: history.Unknown, Key: "k2"},
		history.Event{Observer: "pub", What: history.Invoke, Key: "k2"},
		history.Event{Observer: "pub", What: history.OK, Key: "k2", Revision: 2},
		update(history.Delta, 1, 2),
		history.Event{Observer: "tap", What: history.End, Kind: "broken"},
		history.Event{Observer: "tap", What: history.Hello},
		update(history.Delta, 2, 4),
		seen(history.Beat, "tap", "", 4),
		seen(history.Replicated, "sdk", "search", 2),
		seen(history.Active, "sdk", "search", 2),
		seen(history.Replicated, "sdk", "search", 3),
		seen(history.Rejected, "sdk", "search", 3),
		seen(history.Replicated, "sdk", "search", 4),
		seen(history.Active, "sdk", "search", 4),
		history.Event{Observer: "sdk", What: history.Start},
		seen(history.Replicated, "sdk", "search", 4),
		seen(history.Active, "sdk", "search", 4),
		history.Event{Observer: "load", What: history.Answer, Revision: 4, Key: "q", Hash: "q@4"},
		history.Event{Observer: "load", What: history.Answer, Revision: 5, Key: "q", Hash: "q@5"},
		history.Event{Observer: "pub", What: history.Fail, Key: "k9"},
		history.Event{Observer: "tap", What: history.Silence},
		update(history.Delta, 4, 5),
		history.Event{Observer: "tap", What: history.End, Kind: "silent"},
		history.Event{Observer: "server", What: history.Memory, Bytes: 500, Streams: 10},
		seen(history.Replicated, "sdk", "search", 5),
		seen(history.Active, "sdk", "search", 5),
		history.Event{Observer: "dp/load", What: history.Answer, Revision: 5, Key: "q", Hash: "q@5"},
		history.Event{Observer: "dp", What: history.Start},
		history.Event{Observer: "dp/load", What: history.Answer, Revision: 4, Key: "q", Hash: "q@4"},
		seen(history.Final, "tap", "", 5),
		seen(history.Final, "sdk", "search", 5),
	)
}

var limits = history.Limits{Heartbeat: beat, Slack: 100 * time.Millisecond, Revoke: 5 * time.Second, Stream: 100}

func TestGoodHistory(t *testing.T) {
	t.Parallel()
	if found := history.Check(good(), truth(), limits); len(found) > 0 {
		t.Errorf("a history in which everything is right has violations:\n%s", history.Report(found, 10))
	}
}

// find returns the index of the nth event of an observer that is of a kind.
func find(events []history.Event, observer string, what history.What, nth int) int {
	for i, e := range events {
		if e.Observer == observer && e.What == what {
			if nth == 0 {
				return i
			}
			nth--
		}
	}
	panic("no such event")
}

// TestViolations breaks the good history, each time one promise, and demands
// that exactly this one is missed.
func TestViolations(t *testing.T) {
	t.Parallel()
	type world struct {
		events []history.Event
		truth  *history.Truth
		limits history.Limits
	}
	later := func(w *world, from int, by time.Duration) {
		for i := from; i < len(w.events); i++ {
			w.events[i].At += by
		}
	}
	insert := func(w *world, at int, e history.Event) {
		e.At = w.events[at].At
		if e.Revision != 0 && e.Epoch == 0 {
			e.Epoch = epoch
		}
		w.events = slices.Insert(w.events, at, e)
	}
	for name, c := range map[string]struct {
		want  string
		wreck func(*world)
	}{
		"a follower goes back": {"I1", func(w *world) {
			w.events[find(w.events, "sdk", history.Replicated, 2)].Revision = 2
			w.events[find(w.events, "sdk", history.Replicated, 2)].Hash = hash("search", 2)
		}},
		"a follower runs the same twice": {"I1", func(w *world) {
			i := find(w.events, "sdk", history.Active, 0)
			insert(w, i+1, w.events[i])
		}},
		"a follower goes back to an earlier epoch": {"I1", func(w *world) {
			i := find(w.events, "sdk", history.Replicated, 3)
			w.events[i].Epoch, w.events[i].Revision, w.events[i].Hash = epoch-1, 9, "other"
			w.events[find(w.events, "sdk", history.Replicated, 4)].Text = ""
			insert(w, i, seen(history.Replicated, "sdk", "search", 4))
		}},
		"a server sends something older": {"I1", func(w *world) {
			i := find(w.events, "tap", history.Update, 3)
			insert(w, i, update(history.Full, 0, 3))
			w.events[i+1].From = 3
		}},
		"answers go back": {"I1", func(w *world) {
			i := find(w.events, "load", history.Answer, 1)
			w.events[i].Revision, w.events[i].Hash = 3, "q@3"
		}},
		"two see different contents": {"I2", func(w *world) {
			w.truth.Hash = func(string, view.Position) (string, bool) { return "", false }
			i := find(w.events, "sdk", history.Final, 0)
			w.events[i].Hash = "something else"
		}},
		"all see the same wrong contents": {"I3", func(w *world) {
			w.truth.Hash = func(scope string, at view.Position) (string, bool) {
				return "what the changelog makes", scope == "" && at.Revision == 4
			}
		}},
		"a hash is not that of what was sent": {"I3", func(w *world) {
			w.events[find(w.events, "tap", history.Update, 1)].Own = "else"
		}},
		"a delta starts elsewhere": {"I4", func(w *world) {
			w.events[find(w.events, "tap", history.Update, 2)].From = 3
		}},
		"a delta starts from nothing": {"I4", func(w *world) {
			i := find(w.events, "tap", history.Update, 0)
			w.events[i].Kind = history.Delta
		}},
		"one stays behind": {"I5", func(w *world) {
			i := find(w.events, "sdk", history.Final, 0)
			w.events[i].Revision, w.events[i].Hash = 4, hash("search", 4)
		}},
		"one is gone at the end": {"I5", func(w *world) {
			w.events[find(w.events, "tap", history.Final, 0)].Text = "absent"
		}},
		"an answer is of two revisions": {"I6", func(w *world) {
			w.events[find(w.events, "load", history.Answer, 1)].Hash = "q@4"
		}},
		"an evaluation fails": {"I6", func(w *world) {
			w.events[find(w.events, "load", history.Answer, 1)].What = history.Failure
		}},
		"an entity of others is sent": {"I7", func(w *world) {
			insert(w, 14, history.Event{Observer: "sdk", What: history.Outside, Text: "layer x", Scope: "search"})
		}},
		"a revoked key is sent something": {"I7", func(w *world) {
			i := find(w.events, "tap", history.End, 0)
			insert(w, i, history.Event{Observer: "tap", What: history.Revoked})
			later(w, i+1, 6*time.Second)
			w.limits.Heartbeat = 0
		}},
		"a healthy stream is silent": {"I8", func(w *world) {
			w.limits.Healthy = true
			later(w, find(w.events, "tap", history.Beat, 0), 2*time.Second)
		}},
		"a silent stream is left late": {"I8", func(w *world) {
			later(w, find(w.events, "tap", history.End, 1), 4*time.Second)
		}},
		"a silent stream is never left": {"I8", func(w *world) {
			i := find(w.events, "tap", history.End, 1)
			w.events = slices.Delete(w.events, i, i+1)
			later(w, i, 4*time.Second)
		}},
		"a stream is expensive": {"I9", func(w *world) {
			w.events[find(w.events, "server", history.Memory, 0)].Bytes = 1001
		}},
		"an acknowledged change is lost": {"I10", func(w *world) { w.truth.Revisions[1].Key = "other" }},
		"a refused change is made":       {"I10", func(w *world) { w.truth.Revisions[3].Key = "k9" }},
		"the changelog has a hole": {"I11", func(w *world) {
			w.truth.Revisions = slices.Delete(w.truth.Revisions, 2, 3)
		}},
		"the changelog ends early": {"I11", func(w *world) { w.truth.Revisions = w.truth.Revisions[:4] }},
		"the chain is broken":      {"I11", func(w *world) { w.truth.Revisions[3].Parent = "x" }},
		"a change is made twice":   {"I12", func(w *world) { w.truth.Revisions[4].Key = "k4" }},
		"a change is acknowledged twice": {"I12", func(w *world) {
			i := find(w.events, "pub", history.OK, 0)
			insert(w, i, history.Event{Observer: "pub", What: history.OK, Key: "k2", Revision: 3})
		}},
		"what was rejected runs": {"I13", func(w *world) {
			insert(w, find(w.events, "sdk", history.Rejected, 0)+1, seen(history.Active, "sdk", "search", 3))
		}},
		"a heartbeat is behind": {"I14", func(w *world) {
			i := find(w.events, "tap", history.Beat, 1)
			w.events[i].Revision, w.events[i].Hash = 2, hash("", 2)
		}},
		"a heartbeat is ahead of what was sent": {"I14", func(w *world) {
			i := find(w.events, "tap", history.Beat, 1)
			w.events[i].Revision, w.events[i].Hash = 5, hash("", 5)
		}},
		"a heartbeat has another hash": {"I14", func(w *world) {
			w.events[find(w.events, "tap", history.Beat, 1)].Hash = "else"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{good(), truth(), limits}
			c.wreck(w)
			found := history.Check(w.events, w.truth, w.limits)
			if got := history.Invariants(found); !slices.Equal(got, []string{c.want}) {
				t.Errorf("found %v, want %s alone:\n%s", got, c.want, history.Report(found, 10))
			}
		})
	}
}

// TestLost allows what a database that has lost its newest transactions can not
// help.
func TestLost(t *testing.T) {
	t.Parallel()
	was := truth()
	was.Revisions[1].Key = "other"
	was.Lost = true
	if found := history.Check(good(), was, limits); len(found) > 0 {
		t.Errorf("found\n%s", history.Report(found, 10))
	}
}
