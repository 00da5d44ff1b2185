package source

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/manifest"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// intake brings what is loaded to a holder: each configuration that differs from
// the one before it, or why it is refused. It is for one goroutine.
type intake struct {
	holder *snapshot.Holder
	log    *slog.Logger
	load   func() (*manifest.Set, error)

	served  *manifest.Set // what the holder has
	refused *manifest.Set // the last one that did not compile
	refusal error         // why it did not
	failure string        // the text of the failure that the holder has, or ""
}

// position is where a configuration stands among all others.
type position struct{ epoch, revision int64 }

// take brings what is loaded now to the holder. The position is asked for if
// that is neither what is served nor what was refused last.
func (i *intake) take(at func() position) {
	set, ruleset, where, err := i.read(at)
	switch {
	case err != nil:
		i.refuse(err)
	case ruleset != nil:
		if err := i.publish(where, set, ruleset); err != nil {
			i.refuse(err)
		}
	case i.failure != "":
		i.failure = ""
		i.holder.Agree()
		i.log.Info("the configuration is again what is served", "revision", i.running())
	}
}

// read returns what is loaded now. The ruleset is nil if that is what is served.
// What was refused before is not compiled again. A panic is an error: a document
// must not end the process that serves the one before it.
func (i *intake) read(at func() position) (set *manifest.Set, ruleset *engine.Ruleset, where position, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic while reading a configuration: %v\n%s", fault, debug.Stack())
		}
	}()
	set, err = i.load()
	if err != nil {
		return nil, nil, where, err
	}
	if set == i.refused {
		// Another failure may have been told of since, of a document that is gone.
		return nil, nil, where, i.refusal
	}
	if i.served != nil && equal(i.served, set) {
		i.served = set // the next comparison is by pointer
		return set, nil, where, nil
	}
	previous := (*engine.Ruleset)(nil)
	if running := i.holder.Current(); running != nil {
		previous = running.Ruleset
	}
	where = at()
	ruleset, err = set.Compile(previous, where.revision)
	if err != nil {
		i.refused, i.refusal = set, err
		return nil, nil, where, err
	}
	return set, ruleset, where, nil
}

func (i *intake) publish(where position, set *manifest.Set, ruleset *engine.Ruleset) error {
	if err := i.holder.Publish(where.epoch, ruleset); err != nil {
		return err
	}
	i.served, i.refused, i.refusal, i.failure = set, nil, nil, ""
	i.log.Info("serving a new revision", "revision", ruleset.Revision(),
		"layers", ruleset.Layers(), "experiments", ruleset.Experiments())
	return nil
}

// refuse tells of a failure once, however often it is met.
func (i *intake) refuse(err error) {
	if err.Error() == i.failure {
		return
	}
	i.failure = err.Error()
	i.holder.Refuse(err)
	i.log.Error("a configuration is refused, what was served goes on being served",
		"revision", i.running(), "faults", strings.Split(err.Error(), "\n"))
}

// running returns the revision that is served, 0 if there is none.
func (i *intake) running() int64 {
	if current := i.holder.Current(); current != nil {
		return current.Revision()
	}
	return 0
}

// equal reports whether two sets have the same content. Sets that differ by a
// few documents share the messages of all others.
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
