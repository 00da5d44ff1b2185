package engine

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// Limits of a configuration. MaxParamsBytes and MaxParamsDepth belong to them.
const (
	// MaxNameBytes is how long ids, salts and the names of services and fields
	// may be.
	MaxNameBytes = 256
	// MaxRanges is how many ranges a layer may have, MaxVariants how many
	// variants an experiment.
	MaxRanges   = Slots
	MaxVariants = 10_000
	// MaxRuleDepth is how deep a rule may be nested, a lone condition counted
	// as 1. MaxRuleNodes is how many nodes it may have.
	MaxRuleDepth = 80
	MaxRuleNodes = 10_000
	// MaxValues is how many values a condition may have, MaxValueBytes how
	// long each.
	MaxValues     = 10_000
	MaxValueBytes = 4096
)

type (
	layerSource      = configv1.Layer
	experimentSource = configv1.Experiment
	fieldSource      = configv1.Field
)

// Change is the difference between two configurations.
type Change struct {
	// Revision is what the result is called.
	Revision int64
	// Layers, Experiments and Fields are added, or replace those of the same
	// id, each id once. They must not be changed afterwards.
	Layers      []*configv1.Layer
	Experiments []*configv1.Experiment
	Fields      []*configv1.Field
	// Deleted resources are gone, if they were there and are not added again.
	DeletedLayers      []string
	DeletedExperiments []int32
	DeletedFields      []string
}

// Compile compiles a whole configuration. What is equal in prev, which may be
// nil, is shared with it and not compiled again; this is cheapest where it is
// the same message by pointer. The messages of the snapshot must not be changed
// afterwards.
//
// The error is Faults, and lists everything that is wrong.
func Compile(prev *Ruleset, snapshot *configv1.Snapshot) (*Ruleset, error) {
	switch {
	case prev == nil:
		prev = newRuleset()
	case prev.hasStaleSymbols():
		prev = prev.renewed()
	}
	d := difference(prev, snapshot)
	next, faults := prev.apply(d.Change)
	if len(faults)+len(d.repeated) == 0 {
		return next, nil
	}
	d.locate(faults, snapshot)
	return nil, append(d.repeated, faults...)
}

// Apply returns the configuration with a change made to it, in time that
// depends on the change and, slightly, on how many layers share a service with
// it. A change of a field's type compiles all rules that use it.
//
// The error is Faults. Their Index is the place in the list of the Change, or
// -1 for a resource that was not changed itself.
func (r *Ruleset) Apply(change Change) (*Ruleset, error) {
	if r == nil {
		r = newRuleset()
	}
	next, faults := r.apply(change)
	if faults = append(change.repeated(), faults...); len(faults) > 0 {
		return nil, faults
	}
	if !next.hasStaleSymbols() {
		return next, nil
	}
	return next.renewed(), nil
}

// renewed returns the same configuration without the names that are no longer in
// it. All is compiled anew, but nothing has changed: the serials stay.
func (r *Ruleset) renewed() *Ruleset {
	next, err := Compile(nil, r.Snapshot())
	if err != nil {
		return r // which does not happen: it was compiled before
	}
	for l := range next.layers.values() {
		l.serial = r.layers.get(l.id).serial
	}
	for e := range next.experiments.values() {
		e.serial = r.experiments.get(e.eid).serial
	}
	next.shared.serial.Store(r.shared.serial.Load())
	return next
}

// repeated returns the resources that stand twice in a change.
func (c *Change) repeated() Faults {
	d := delta{}
	layers, experiments, fields := map[string]struct{}{}, map[string]struct{}{}, map[string]struct{}{}
	for i, l := range c.Layers {
		d.stands(layers, KindLayer, l.GetLayerId(), i)
	}
	for i, e := range c.Experiments {
		d.stands(experiments, KindExperiment, eidText(e.GetEid()), i)
	}
	for i, f := range c.Fields {
		d.stands(fields, KindField, f.GetName(), i)
	}
	return d.repeated
}

// Snapshot returns the configuration that was compiled. Its order is not
// defined; its messages are shared and must not be changed.
func (r *Ruleset) Snapshot() *configv1.Snapshot {
	s := &configv1.Snapshot{Revision: r.Revision()}
	if r == nil {
		return s
	}
	for l := range r.layers.values() {
		s.Layers = append(s.Layers, l.source)
	}
	for e := range r.experiments.values() {
		s.Experiments = append(s.Experiments, e.source)
	}
	for _, f := range r.fields {
		s.Fields = append(s.Fields, f.source)
	}
	return s
}

func newRuleset() *Ruleset {
	s := &shared{seed: maphash.MakeSeed()}
	s.cache.limit = cacheBytes
	s.serial.Store(maphash.Bytes(s.seed, nil))
	return &Ruleset{symbols: symbols{}, shared: s}
}

// hasStaleSymbols reports whether so many names have come and gone that it is
// time to forget them, by compiling everything.
func (r *Ruleset) hasStaleSymbols() bool {
	const slack = 4096
	return len(r.symbols) > 2*r.fullSymbols+slack
}

// delta is the Change that leads to a snapshot.
type delta struct {
	Change
	// Where the changed resources stand in the snapshot.
	layersAt, experimentsAt, fieldsAt []int
	// repeated are the resources that stand twice in the snapshot: the first
	// one counts, the others are faults.
	repeated Faults
}

func difference(prev *Ruleset, snapshot *configv1.Snapshot) *delta {
	d := &delta{Change: Change{Revision: snapshot.GetRevision()}}

	layers := make(map[string]struct{}, len(snapshot.GetLayers()))
	for i, l := range snapshot.GetLayers() {
		id := l.GetLayerId()
		if d.stands(layers, KindLayer, id, i) {
			continue
		}
		if old := prev.layers.get(id); old == nil || !same(old.source, l) {
			d.Layers, d.layersAt = append(d.Layers, l), append(d.layersAt, i)
		}
	}
	for l := range prev.layers.values() {
		if _, ok := layers[l.id]; !ok {
			d.DeletedLayers = append(d.DeletedLayers, l.id)
		}
	}

	experiments := make(map[string]struct{}, len(snapshot.GetExperiments()))
	for i, e := range snapshot.GetExperiments() {
		eid := e.GetEid()
		if d.stands(experiments, KindExperiment, eidText(eid), i) {
			continue
		}
		if old := prev.experiments.get(eid); old == nil || !same(old.source, e) {
			d.Experiments, d.experimentsAt = append(d.Experiments, e), append(d.experimentsAt, i)
		}
	}
	for e := range prev.experiments.values() {
		if _, ok := experiments[eidText(e.eid)]; !ok {
			d.DeletedExperiments = append(d.DeletedExperiments, e.eid)
		}
	}

	fields := make(map[string]struct{}, len(snapshot.GetFields()))
	for i, f := range snapshot.GetFields() {
		name := f.GetName()
		if d.stands(fields, KindField, name, i) {
			continue
		}
		if old := prev.fields[name]; old == nil || !same(old.source, f) {
			d.Fields, d.fieldsAt = append(d.Fields, f), append(d.fieldsAt, i)
		}
	}
	for name := range prev.fields {
		if _, ok := fields[name]; !ok {
			d.DeletedFields = append(d.DeletedFields, name)
		}
	}
	return d
}

// stands notes an id and reports whether it stood in the snapshot before.
func (d *delta) stands(seen map[string]struct{}, kind Kind, id string, i int) bool {
	if id == "" {
		return false // reported as missing, each time
	}
	if _, ok := seen[id]; ok {
		d.repeated = append(d.repeated, Fault{Reason: IDTaken, Kind: kind, ID: id, Index: i, Problem: "stands twice: the id must be unique"})
		return true
	}
	seen[id] = struct{}{}
	return false
}

// eidText is an eid as the id of a resource: empty for one that can not be.
func eidText(eid int32) string {
	if eid < 1 {
		return ""
	}
	return strconv.Itoa(int(eid))
}

// same compares by pointer first: a message that is equal to itself only by
// content was read again.
func same[M interface {
	comparable
	proto.Message
}](a, b M) bool {
	return a == b || proto.Equal(a, b)
}

// locate gives faults the places of their resources in the snapshot, instead of
// those in the change.
func (d *delta) locate(faults Faults, snapshot *configv1.Snapshot) {
	layers, experiments := map[string]int{}, map[string]int{}
	if slices.ContainsFunc(faults, func(f Fault) bool { return f.Index < 0 }) {
		// Only layers and experiments are compiled again without a change.
		for i, l := range snapshot.GetLayers() {
			layers[l.GetLayerId()] = i
		}
		for i, e := range snapshot.GetExperiments() {
			experiments[eidText(e.GetEid())] = i
		}
	}
	for i := range faults {
		f := &faults[i]
		switch {
		case f.Index < 0 && f.Kind == KindLayer:
			f.Index = layers[f.ID]
		case f.Index < 0:
			f.Index = experiments[f.ID]
		case f.Kind == KindLayer:
			f.Index = d.layersAt[f.Index]
		case f.Kind == KindExperiment:
			f.Index = d.experimentsAt[f.Index]
		default:
			f.Index = d.fieldsAt[f.Index]
		}
	}
}

// readLayer compiles what a layer says by itself.
func (b *builder) readLayer(src *configv1.Layer, index int) *layer {
	rep := report{faults: &b.faults, kind: KindLayer, id: src.GetLayerId(), index: index}
	rep.name("layer_id", src.GetLayerId())
	rep.name("hash_key", src.GetHashKey())
	rep.name("salt", src.GetSalt())
	if src.GetService() != "" {
		rep.name("service", src.GetService())
	}
	l := &layer{
		id: src.GetLayerId(), priority: src.GetPriority(), enabled: src.GetEnabled(),
		hashKey: b.symbol(src.GetHashKey()), hashName: src.GetHashKey(),
		salt: newSalt(src.GetSalt()), serial: b.next.shared.serial.Add(1), source: src,
	}
	if len(src.GetRanges()) > MaxRanges {
		rep.fault("ranges", "are %d, at most %d are allowed", len(src.GetRanges()), MaxRanges)
		return l
	}
	for i, r := range src.GetRanges() {
		l.ranges = append(l.ranges, slotRange{start: r.GetStart(), end: r.GetEnd(), vid: r.GetVid(), index: i})
		path := fmt.Sprintf("ranges[%d]", i)
		switch {
		case r.GetStart() < 0 || r.GetStart() >= Slots:
			rep.fault(path+".start", "is %d, want 0 to %d", r.GetStart(), Slots-1)
		case r.GetEnd() <= r.GetStart() || r.GetEnd() > Slots:
			rep.fault(path+".end", "is %d, want %d to %d: start is included, end is not", r.GetEnd(), r.GetStart()+1, Slots)
		}
		if r.GetVid() < 1 {
			rep.fault(path+".vid", "is %d, want at least 1", r.GetVid())
		}
	}
	slices.SortStableFunc(l.ranges, func(a, b slotRange) int { return int(a.start) - int(b.start) })
	for i, widest := 1, 0; i < len(l.ranges); i++ {
		a, b := l.ranges[widest], l.ranges[i]
		if b.start < a.end && b.start < b.end {
			rep.as(RangesOverlap).fault(fmt.Sprintf("ranges[%d]", b.index), "slots [%d, %d) overlap ranges[%d], which has [%d, %d)",
				b.start, b.end, a.index, a.start, a.end)
		}
		if b.end > a.end {
			widest = i
		}
	}
	return l
}

// readExperiment compiles what an experiment says by itself.
func (b *builder) readExperiment(src *configv1.Experiment, index int) *experiment {
	rep := report{faults: &b.faults, kind: KindExperiment, id: eidText(src.GetEid()), index: index}
	if src.GetEid() < 1 {
		rep.fault("eid", "is %d, want at least 1", src.GetEid())
	}
	rep.name("service", src.GetService())
	e := &experiment{
		eid: src.GetEid(), service: b.symbol(src.GetService()), serviceName: src.GetService(),
		serial: b.next.shared.serial.Add(1), source: src,
	}
	if src.GetRule() != nil {
		before := len(b.faults)
		r := ruleReader{report: rep.as(InvalidRule), builder: b}
		e.rule = r.read("rule", src.GetRule(), 1)
		if len(b.faults) == before {
			e.program = newProgram(e.rule, True)
		}
	}
	switch n := len(src.GetVariants()); {
	case n == 0:
		rep.fault("variants", "are missing: want at least one")
	case n > MaxVariants:
		rep.fault("variants", "are %d, at most %d are allowed", n, MaxVariants)
		return e
	}
	for i, v := range src.GetVariants() {
		path := fmt.Sprintf("variants[%d]", i)
		if v.GetVid() < 1 {
			rep.fault(path+".vid", "is %d, want at least 1", v.GetVid())
		}
		params, errs := parseParams(v.GetParamsJson(), b.next.shared.seed)
		for _, err := range errs {
			rep.as(err.reason()).fault(joinPath(path+".params", err.path), "%s", err.problem)
		}
		e.variants = append(e.variants, &variant{vid: v.GetVid(), experiment: e, params: params})
	}
	return e
}

// readField compiles the declaration of a field.
func (b *builder) readField(src *configv1.Field, index int) *field {
	rep := report{faults: &b.faults, kind: KindField, id: src.GetName(), index: index}
	rep.name("name", src.GetName())
	typ := FieldType(src.GetType())
	if typ < StringField || typ > SemverField {
		rep.fault("type", "is unknown, want string, int, float, bool or semver")
		typ = StringField
	}
	return &field{typ: typ, source: src}
}

// ruleReader reads one rule.
type ruleReader struct {
	report
	builder *builder
	nodes   int
}

// read reads a node and all below it. Where it reports a fault, the node is of
// no use.
func (r *ruleReader) read(path string, src *configv1.Rule, depth int) *ruleNode {
	n := &ruleNode{op: Operator(src.GetOp())}
	r.nodes++
	switch {
	case depth > MaxRuleDepth:
		r.fault(path, "is nested deeper than %d levels", MaxRuleDepth)
	case r.nodes > MaxRuleNodes:
		if r.nodes == MaxRuleNodes+1 {
			r.fault("rule", "has more than %d nodes", MaxRuleNodes)
		}
	case n.op < And || n.op > NotLike:
		r.fault(path, "has an unknown operator")
	case n.op <= Not:
		n.children = r.children(path, n.op, src, depth)
	default:
		if len(src.GetChildren()) > 0 {
			r.fault(path, "is a condition and can have no children")
		}
		n.condition = r.condition(path, n.op, src)
	}
	return n
}

func (r *ruleReader) children(path string, op Operator, src *configv1.Rule, depth int) []*ruleNode {
	if src.GetField() != "" || len(src.GetValues()) > 0 {
		r.fault(path, "is %s and can have no field and no values", op)
	}
	switch n := len(src.GetChildren()); {
	case op == Not && n != 1:
		r.fault(path, "is not and has %d children, want exactly one", n)
	case n == 0:
		r.fault(path, "is %s and has no children, want at least one", op)
	}
	children := make([]*ruleNode, 0, len(src.GetChildren()))
	for i, child := range src.GetChildren() {
		below := fmt.Sprintf("%s.children[%d]", path, i)
		if op == Not {
			below = path + ".child"
		}
		children = append(children, r.read(below, child, depth+1))
	}
	return children
}

func (r *ruleReader) condition(path string, op Operator, src *configv1.Rule) *condition {
	r.name(path+".field", src.GetField())
	c := &condition{op: op, order: orderOf(op), name: src.GetField()}
	values := src.GetValues()
	switch n := len(values); {
	case n == 0:
		r.fault(path+".values", "are missing")
		return c
	case n > 1 && op != In && op != NotIn:
		r.fault(path+".values", "are %d, %s takes exactly one", n, op)
		return c
	case n > MaxValues:
		r.fault(path+".values", "are %d, at most %d are allowed", n, MaxValues)
		return c
	}
	if declared := r.builder.next.fields[src.GetField()]; declared != nil {
		c.typ = declared.typ
	} else if c.typ = inferType(values); c.typ == 0 {
		r.fault(path+".values", "are of different types, and the field is not declared")
		return c
	}
	ordered := op >= Gt && op <= Lte
	pattern := op == Like || op == NotLike
	if ordered && c.typ == BoolField || pattern && c.typ != StringField {
		r.fault(path+".op", "is %s, which a %s field can not be compared by", op, c.typ)
		return c
	}
	for i, v := range values {
		if problem := c.add(v); problem != "" {
			r.fault(fmt.Sprintf("%s.values[%d]", path, i), "%s", problem)
		}
	}
	c.field = r.builder.symbol(src.GetField())
	c.index()
	return c
}

// inferType returns the type of an undeclared field, 0 for mixed values.
func inferType(values []*configv1.Value) FieldType {
	var typ FieldType
	for _, v := range values {
		var t FieldType
		switch kind := v.GetKind().(type) {
		case *configv1.Value_StringValue:
			t = StringField
		case *configv1.Value_BoolValue:
			t = BoolField
		case *configv1.Value_NumberValue:
			t = FloatField
			if isSafeInteger(kind.NumberValue) {
				t = IntField
			}
		default:
			return 0
		}
		switch {
		case typ == 0 || typ == t:
			typ = t
		case min(typ, t) == IntField && max(typ, t) == FloatField:
			typ = FloatField
		default:
			return 0
		}
	}
	return typ
}

// add adds a value to compare with, which must be of the condition's type. It
// returns what is wrong with it.
func (c *condition) add(src *configv1.Value) (problem string) {
	var v Value
	switch kind := src.GetKind().(type) {
	case *configv1.Value_StringValue:
		v = StringValue(kind.StringValue)
		if len(v.text) > MaxValueBytes {
			return fmt.Sprintf("is %d bytes long, at most %d are allowed", len(v.text), MaxValueBytes)
		}
		if !utf8.ValidString(v.text) {
			return "is not valid UTF-8"
		}
	case *configv1.Value_BoolValue:
		v = BoolValue(kind.BoolValue)
	case *configv1.Value_NumberValue:
		v = NumberValue(kind.NumberValue)
	}
	c.values = append(c.values, v)
	ok := false
	switch c.typ {
	case StringField:
		ok = v.kind == String
		c.text = v.text
	case IntField:
		ok = v.kind == Number && isSafeInteger(v.number)
		c.number = v.number
	case FloatField:
		ok = v.kind == Number && isFinite(v.number)
		c.number = v.number
	case BoolField:
		ok = v.kind == Bool
		c.number = v.number
	case SemverField:
		var version semver
		if version, ok = parseSemver(v.text); v.kind == String && ok {
			c.semvers = append(c.semvers, version)
		}
	}
	if ok {
		return ""
	}
	return fmt.Sprintf("is %s, which is no %s", clip(string(v.AppendJSON(nil))), c.typ)
}
