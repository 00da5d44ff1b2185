package engine

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Ruleset is a compiled configuration. It never changes, and any number of
// goroutines may use it at once. A nil *Ruleset is an empty configuration.
type Ruleset struct {
	revision    int64
	layers      table[string, *layer]
	experiments table[int32, *experiment]
	variants    table[int32, *variant] // by vid
	homes       table[int32, string]   // the layer that an experiment lives in
	services    table[symbol, *service]
	fields      map[string]*field
	symbols     symbols
	// fullSymbols is how many symbols there were when everything was compiled
	// last.
	fullSymbols int
	shared      *shared
}

// shared is what a Ruleset and those made from it use together.
type shared struct {
	cache   cache
	workers sync.Pool    // of *worker
	seed    maphash.Seed // of the hashes of keys
	// serial numbers the layers and experiments that are read. It begins anywhere,
	// so that those of others are not taken for ours.
	serial atomic.Uint64
}

// service lists the layers that have a variant of it, in order of evaluation.
type service struct {
	name   symbol
	layers []*layer
	paths  lazyOutline
}

// layer has first what every evaluation reads, so that it lies together.
type layer struct {
	enabled  bool
	hashKey  symbol
	salt     salt
	segments []segment

	id       string
	priority int32
	hashName string
	services []symbol
	ranges   []slotRange
	serial   uint64 // another one each time the layer is read
	source   *layerSource
}

// segment is a run of slots that get the same variant, or none. The segments of
// a layer cover all slots, in order: each begins where the one before ends.
type segment struct {
	match *match // nil where the slots are free
	end   uint16
}

// slotRange is a range of a layer; ranges are sorted by their start.
type slotRange struct {
	start, end, vid int32
	index           int // in the source
}

// identity tells matches apart. It leads to nothing, so that a cached result
// does not keep alive the revision that it was made from.
type identity struct{ _ byte }

// match is a variant in its layer: what an evaluation finds for a slot.
type match struct {
	hash       uint64
	identity   *identity
	service    symbol  // of the experiment
	rule       program // of the experiment; empty for none
	params     *object
	layer      *layer
	experiment *experiment
	vid        int32
}

type experiment struct {
	eid         int32
	service     symbol
	serviceName string
	rule        *ruleNode // nil for none
	program     program   // decides whether the rule is TRUE
	variants    []*variant
	paths       lazyOutline
	serial      uint64 // another one each time the experiment is read
	source      *experimentSource
}

type variant struct {
	vid        int32
	experiment *experiment
	params     *object
}

type field struct {
	typ    FieldType
	source *fieldSource
}

// Result is what one service gets. It is shared by all who got the same
// combination of variants: read it only.
type Result struct {
	// Parameters is the text of the merged JSON object, without white space.
	Parameters string
	// VIDs are the matched variants, highest priority first.
	VIDs []int32
	// MatchedLayers are their layers, in the same order.
	MatchedLayers []string

	sources atomic.Pointer[sources]
	// held is how many bytes sources have, for the cache that the result is in: 0
	// before it is, 1 more than they are while it is, and negative after.
	held atomic.Int64
}

// noMatch is the result where nothing matched. Its lists are empty, not nil.
func noMatch() *Result { return &emptyResult }

var emptyResult = Result{Parameters: "{}", VIDs: []int32{}, MatchedLayers: []string{}}

// Meter measures the evaluations that it is passed to. The engine has no clock
// of its own. A Meter is used by one goroutine at a time.
type Meter struct {
	// Now returns a monotonic time in nanoseconds. If nil, only counts are
	// taken.
	Now func() int64
	// Rules is how many rules were evaluated, RuleNanos the time it took.
	Rules     int
	RuleNanos int64
	// Merges is how many results had to be merged, as they were not at hand
	// from before, MergeNanos the time it took.
	Merges     int
	MergeNanos int64
}

// Revision returns the revision that the configuration was given.
func (r *Ruleset) Revision() int64 {
	if r == nil {
		return 0
	}
	return r.revision
}

// Layers returns how many layers there are.
func (r *Ruleset) Layers() int {
	if r == nil {
		return 0
	}
	return r.layers.size
}

// Experiments returns how many experiments there are.
func (r *Ruleset) Experiments() int {
	if r == nil {
		return 0
	}
	return r.experiments.size
}

// LayerIDs returns the ids of all layers in order of evaluation: by priority
// from high to low, then by id in byte order. The caller owns the slice.
func (r *Ruleset) LayerIDs() []string {
	if r == nil {
		return nil
	}
	layers := slices.SortedFunc(r.layers.values(), compareLayers)
	ids := make([]string, len(layers))
	for i, l := range layers {
		ids[i] = l.id
	}
	return ids
}

// Evaluate returns what a service gets in a context. If layers is not empty,
// only layers named in it take part. The meter may be nil. The result is never
// nil and is shared: read it only.
//
// A combination of variants that was seen lately costs no allocation.
func (r *Ruleset) Evaluate(service string, ctx Context, layers []string, meter *Meter) *Result {
	s := r.service(service)
	if s == nil {
		return noMatch()
	}
	w := r.worker(ctx)
	only := newSelection(layers)
	hash := uint64(0)
	for _, l := range s.layers {
		if len(layers) > 0 && !only.has(l.id) {
			continue
		}
		d := w.decide(l, s, meter)
		if d.outcome != Matched {
			continue
		}
		w.matches, w.identities = append(w.matches, d.match), append(w.identities, d.match.identity)
		hash = bits.RotateLeft64(hash^d.match.hash, 23) * prime1
	}
	result := noMatch()
	if len(w.matches) > 0 {
		result = r.result(w, hash, meter)
	}
	r.release(w)
	return result
}

func (r *Ruleset) service(name string) *service {
	if r == nil {
		return nil
	}
	y, ok := r.symbols[name]
	if !ok {
		return nil
	}
	return r.services.get(y)
}

// decision is what came of one layer. What its outcome comes before is not set.
// RuleFalse stands for RuleUnknown too, as an evaluation need not know.
type decision struct {
	outcome Outcome
	slot    int32
	match   *match
}

// decide finds out whether a layer matches for a service. It is the one place
// where that is decided, for evaluations and explanations alike.
func (w *worker) decide(l *layer, s *service, meter *Meter) decision {
	if !l.enabled {
		return decision{outcome: Disabled}
	}
	key := w.hashKey(l.hashKey)
	if key == nil {
		return decision{outcome: NoKey}
	}
	slot := l.salt.slot(key)
	m := l.at(slot)
	outcome := Matched
	switch {
	case m == nil:
		outcome = FreeSlot
	case m.service != s.name:
		outcome = OtherService
	case len(m.rule) > 0 && !w.admitted(m.rule, meter):
		outcome = RuleFalse
	}
	return decision{outcome: outcome, slot: int32(slot), match: m}
}

// at returns what is found for a slot.
func (l *layer) at(slot uint16) *match {
	const few = 8 // up to here counting is faster than halving
	segments := l.segments
	for len(segments) > few {
		if half := len(segments) / 2; slot >= segments[half-1].end {
			segments = segments[half:]
		} else {
			segments = segments[:half]
		}
	}
	for i := range segments {
		if slot < segments[i].end {
			return segments[i].match
		}
	}
	return nil
}

// admitted reports whether an experiment's rule is TRUE.
func (w *worker) admitted(rule program, meter *Meter) bool {
	if meter == nil {
		return rule.run(&w.inputs)
	}
	meter.Rules++
	if meter.Now == nil {
		return rule.run(&w.inputs)
	}
	start := meter.Now()
	defer func() { meter.RuleNanos += meter.Now() - start }()
	return rule.run(&w.inputs)
}

// result returns the result of w's matches, merging them if it is not at hand.
func (r *Ruleset) result(w *worker, hash uint64, meter *Meter) *Result {
	cache := &r.shared.cache
	if result := cache.get(hash, w.identities); result != nil {
		return result
	}
	if meter != nil {
		meter.Merges++
		if meter.Now != nil {
			start := meter.Now()
			defer func() { meter.MergeNanos += meter.Now() - start }()
		}
	}
	result := w.merge()
	cache.put(hash, w.identities, result)
	return result
}

// worker is the memory of one evaluation, kept for the next one.
type worker struct {
	inputs
	matches    []*match
	identities []*identity // of matches
	merger     merger
}

func (w *worker) merge() *Result {
	result := &Result{
		VIDs:          make([]int32, len(w.matches)),
		MatchedLayers: make([]string, len(w.matches)),
	}
	m := &w.merger
	for i, match := range w.matches {
		result.VIDs[i] = match.vid
		result.MatchedLayers[i] = match.layer.id
		m.inputs = append(m.inputs, contributor{match.params, int32(i)})
	}
	m.out = m.out[:0]
	m.merge(0)
	result.Parameters = string(m.out)
	return result
}

func (r *Ruleset) worker(ctx Context) *worker {
	w, ok := r.shared.workers.Get().(*worker)
	if !ok {
		w = &worker{}
	}
	w.bind(r.symbols, ctx)
	return w
}

func (r *Ruleset) release(w *worker) {
	w.forget(r.symbols)
	w.matches, w.identities = pop(w.matches, 0), pop(w.identities, 0)
	r.shared.workers.Put(w)
}

// selection is the layers that a request names; the zero selection is all.
type selection struct {
	few  []string
	many map[string]struct{}
}

func newSelection(names []string) selection {
	const few = 16 // up to here comparing is cheaper than making a map
	if len(names) <= few {
		return selection{few: names}
	}
	many := make(map[string]struct{}, len(names))
	for _, name := range names {
		many[name] = struct{}{}
	}
	return selection{many: many}
}

func (s selection) has(id string) bool {
	switch {
	case s.many != nil:
		_, ok := s.many[id]
		return ok
	case len(s.few) > 0:
		return slices.Contains(s.few, id)
	default:
		return true
	}
}

// compareLayers orders layers as they are evaluated.
func compareLayers(a, b *layer) int {
	switch {
	case a.priority > b.priority:
		return -1
	case a.priority < b.priority:
		return 1
	default:
		return strings.Compare(a.id, b.id)
	}
}
