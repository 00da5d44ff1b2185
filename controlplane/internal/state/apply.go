package state

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Claim is a variant that is new to an environment: its vid and its
// experiment's eid must not be something else's in another one.
type Claim struct {
	VID, EID int32
	Service  string
	// Change is the index of the change that makes it.
	Change int
}

// Result is what changes lead to.
type Result struct {
	// State is the new configuration. Where the changes change nothing, it is the
	// one that they were made to.
	State *State
	// Touched is what became of each resource that is another one now, by kind
	// and key: of those that differ, and of experiments that only their slots do.
	Touched []Touch
	// Claims are in the order of the changes.
	Claims []Claim
}

// Apply makes changes, all or none. Experiments follow their slots: one that
// gets some is RUNNING in their layer, one that loses all is PAUSED.
//
// The error is Refused, and has every problem that was found.
func (s *State) Apply(version Version, changes []Change) (*Result, error) {
	e := newEdit(s, version)
	for i := range changes {
		e.change(i, &changes[i])
	}
	e.settle()
	e.checkReferences(changes)
	e.checkHeld()
	e.checkSchemas()
	next, err := e.seal()
	if faults, ok := errors.AsType[engine.Faults](err); ok {
		e.refuse(faults)
	} else if err != nil {
		return nil, err
	}
	if len(e.problems) > 0 {
		slices.SortStableFunc(e.problems, func(a, b Problem) int { return order(a.Change) - order(b.Change) })
		return nil, e.problems
	}
	result := &Result{State: next, Claims: e.claims}
	for id := range e.touched {
		before, after := s.Resource(id), next.Resource(id)
		if before != after {
			result.Touched = append(result.Touched, Touch{id, before, after})
		}
	}
	sortTouched(result.Touched)
	if len(result.Touched) == 0 {
		result.State = s
	}
	return result, nil
}

// order puts what no change names last.
func order(change int) int {
	if change < 0 {
		return int(^uint(0) >> 1)
	}
	return change
}

func sortTouched(touched []Touch) {
	slices.SortFunc(touched, func(a, b Touch) int { return compareIDs(a.ID, b.ID) })
}

// edit is a State in the making.
type edit struct {
	before *State
	next   *State
	// touched is the index of the change by resource, -1 for a resource that
	// follows from others.
	touched  map[ID]int
	exact    map[ID]bool
	problems Refused
	claims   []Claim
}

func newEdit(s *State, version Version) *edit {
	return &edit{
		before:  s,
		next:    &State{version: version, tree: s.tree, counts: s.counts, variants: s.variants, holding: s.holding},
		touched: map[ID]int{},
		exact:   map[ID]bool{},
	}
}

func (e *edit) problem(reason adminv1.ErrorReason, id ID, path, text string, args ...any) {
	change, ok := e.touched[id]
	if !ok {
		change = -1
	}
	e.problems = append(e.problems, Problem{
		Reason: reason, Change: change, ID: id, Path: path, Text: fmt.Sprintf(text, args...),
	})
}

// change makes one change, as far as it can be judged by itself.
func (e *edit) change(i int, c *Change) {
	id := c.ID()
	if _, ok := e.touched[id]; ok {
		e.problems = append(e.problems, Problem{
			Reason: adminv1.ErrorReason_ERROR_REASON_ID_TAKEN, Change: i, ID: id, Text: "stands twice: name each resource once",
		})
		return
	}
	e.touched[id], e.exact[id] = i, c.Exact
	before := e.before.Resource(id)
	if !e.admits(id, c, before) {
		return
	}
	if c.Delete != (ID{}) {
		e.delete(id)
		return
	}
	message := e.message(id, c, before)
	if message == nil {
		return
	}
	e.store(id, message)
	if x, ok := message.(*adminv1.Experiment); ok {
		e.claim(i, id, x)
	}
}

// admits reports whether the resource is what the change demands.
func (e *edit) admits(id ID, c *Change, before *Resource) bool {
	deleted := c.Delete != (ID{})
	switch {
	case before == nil && (deleted || c.Existence == MustExist):
		e.problem(adminv1.ErrorReason_ERROR_REASON_RESOURCE_NOT_FOUND, id, "", "does not exist at revision %d", e.before.Revision())
	case before == nil && c.etag() != "":
		e.problem(adminv1.ErrorReason_ERROR_REASON_STALE_ETAG, id, "etag", "there is nothing that it could stand for: leave it out to create the resource")
	case before != nil && c.Existence == MustNotExist:
		e.problem(adminv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS, id, "", "exists already: update it instead")
	case before != nil && c.etag() != "" && c.etag() != before.Etag():
		e.problem(adminv1.ErrorReason_ERROR_REASON_STALE_ETAG, id, "etag",
			"is %q, but the resource was changed by revision %d: read it again", c.etag(), before.Updated.Revision)
	default:
		return true
	}
	return false
}

// store puts a message as a resource, unless that is what there was.
func (e *edit) store(id ID, message proto.Message) {
	before := e.before.Resource(id)
	r, err := newResource(id, message, before, e.next.version)
	if err != nil { // text that is not UTF-8
		e.problem(adminv1.ErrorReason_ERROR_REASON_INVALID_VALUE, id, "", "%v", err)
		return
	}
	if before != nil && before.Digest == r.Digest {
		e.put(before)
		return
	}
	e.put(r)
}

// put puts a resource and what is known by it.
func (e *edit) put(r *Resource) {
	e.forget(r.ID)
	if e.next.Resource(r.ID) == nil {
		e.next.counts[r.ID.Kind]++
	}
	e.next.tree.Put(r)
	if _, ok := e.touched[r.ID]; !ok {
		e.touched[r.ID] = -1
	}
	x := r.experiment
	for _, v := range x.GetVariants() {
		e.next.variants.set(v.GetVid(), x.GetEid())
	}
	if len(x.GetHeld()) > 0 {
		eids, _ := e.next.holding.get(x.GetLayerId())
		eids = append(slices.Clone(eids), x.GetEid())
		slices.Sort(eids)
		e.next.holding.set(x.GetLayerId(), eids)
	}
}

func (e *edit) delete(id ID) {
	e.forget(id)
	if e.next.tree.Delete(id.treeKey()) {
		e.next.counts[id.Kind]--
	}
	if _, ok := e.touched[id]; !ok {
		e.touched[id] = -1
	}
}

// forget removes what is known by a resource that is about to change.
func (e *edit) forget(id ID) {
	x := e.next.Resource(id).Experiment()
	for _, v := range x.GetVariants() {
		if eid, _ := e.next.variants.get(v.GetVid()); eid == x.GetEid() {
			e.next.variants.delete(v.GetVid())
		}
	}
	if len(x.GetHeld()) > 0 {
		eids, _ := e.next.holding.get(x.GetLayerId())
		eids = slices.DeleteFunc(slices.Clone(eids), func(eid int32) bool { return eid == x.GetEid() })
		if len(eids) == 0 {
			e.next.holding.delete(x.GetLayerId())
		} else {
			e.next.holding.set(x.GetLayerId(), eids)
		}
	}
}

// claim notes variants that the environment does not have yet.
func (e *edit) claim(change int, id ID, x *adminv1.Experiment) {
	for i, v := range x.GetVariants() {
		switch eid, ok := e.before.variants.get(v.GetVid()); {
		case !ok:
			e.claims = append(e.claims, Claim{VID: v.GetVid(), EID: x.GetEid(), Service: x.GetService(), Change: change})
		case eid != x.GetEid():
			e.problem(adminv1.ErrorReason_ERROR_REASON_ID_TAKEN, id, fmt.Sprintf("variants[%d].vid", i),
				"%d belongs to experiment %d, and stays its for good", v.GetVid(), eid)
		}
	}
}

// seal ends the edit.
func (e *edit) seal() (*State, error) {
	e.next.tree.Seal()
	e.next.variants.freeze()
	e.next.holding.freeze()
	ruleset, err := e.before.ruleset.Apply(e.engineChange())
	if err != nil {
		return nil, err
	}
	e.next.ruleset = ruleset
	return e.next, nil
}

// engineChange is the edit in the engine's words.
func (e *edit) engineChange() engine.Change {
	change := engine.Change{Revision: e.next.version.Revision}
	for id := range e.touched {
		before, after := e.before.Resource(id), e.next.Resource(id)
		if before != nil && after != nil && before.config == after.config {
			continue
		}
		if after == nil {
			switch {
			case before == nil:
			case id.Kind == KindLayer:
				change.DeletedLayers = append(change.DeletedLayers, id.Key)
			case id.Kind == KindExperiment:
				change.DeletedExperiments = append(change.DeletedExperiments, before.experiment.GetEid())
			case id.Kind == KindField:
				change.DeletedFields = append(change.DeletedFields, id.Key)
			}
			continue
		}
		switch config := after.config.(type) {
		case *configv1.Layer:
			change.Layers = append(change.Layers, config)
		case *configv1.Experiment:
			change.Experiments = append(change.Experiments, config)
		case *configv1.Field:
			change.Fields = append(change.Fields, config)
		}
	}
	return change
}

// refuse makes problems of the engine's faults. Slots of an experiment that is
// deleted are told of with the deletion.
func (e *edit) refuse(faults engine.Faults) {
	for _, f := range faults {
		if f.Reason == engine.UnknownVariant && e.leftBehind(f) {
			continue
		}
		e.problem(reasons[f.Reason], ID{kindOf[f.Kind], f.ID}, f.Path, "%s", f.Problem)
	}
}

// leftBehind reports whether the range at fault has a variant of an experiment
// whose deletion was refused because of it.
func (e *edit) leftBehind(f engine.Fault) bool {
	var i int
	if _, err := fmt.Sscanf(f.Path, "ranges[%d].vid", &i); err != nil {
		return false
	}
	ranges := e.next.Layer(f.ID).GetRanges()
	if i >= len(ranges) {
		return false
	}
	eid, ok := e.before.variants.get(ranges[i].GetVid())
	return ok && slices.ContainsFunc(e.problems, func(p Problem) bool {
		return p.ID == ExperimentID(eid) && p.Reason == adminv1.ErrorReason_ERROR_REASON_STILL_REFERENCED
	})
}
