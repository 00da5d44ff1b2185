package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
)

// explain writes a mismatch with all that is needed to see it again, as small as
// it can be made in a moment.
func (m *mismatch) explain(ctx context.Context, engines map[string]engineCommand, log io.Writer) {
	fmt.Fprintf(log, "fuzz-parity: %s differs from go at configuration %d, revision %d\n", m.engine, m.batch.run, m.batch.revision)
	found := problem{snapshot: m.batch.snapshot, requests: m.batch.requests}
	if m.index >= 0 {
		found.requests = found.requests[m.index : m.index+1]
	}
	lab := &lab{engines: engines, children: map[string]*child{}}
	defer lab.close()
	if !lab.differs(ctx, found) && m.batch.before != nil {
		found.before = m.batch.before
	}
	if found.before != nil && !lab.differs(ctx, found) {
		fmt.Fprintln(log, "It needs more of what came before than one configuration: run it again with the same seed.")
	} else {
		found = lab.shrink(ctx, found)
	}
	if found.before != nil {
		fmt.Fprintf(log, "before: %s\n", jsonOf(found.before))
	}
	fmt.Fprintf(log, "configuration: %s\n", jsonOf(found.snapshot))
	for _, r := range found.requests {
		fmt.Fprintf(log, "service: %q\ncontext: %s\nlayers: %q\npaths: %q\n", r.Service, r.Context, r.Layers, r.Paths)
	}
	if text, err := line(found.snapshot, found.requests); err == nil {
		fmt.Fprintf(log, "line: %s", text)
	}
	all := lab.ask(ctx, found)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(log, "%s: %s\n", name, all[name])
	}
	if _, again := compare(all["go"], all[m.engine]); again {
		fmt.Fprintf(log, "%s, at first: %s\n", m.engine, pick(m.got, m.index))
	}
}

func jsonOf(s *configv1.Snapshot) []byte {
	text, err := protojson.Marshal(s)
	if err != nil {
		return []byte(err.Error())
	}
	return text
}

// pick returns one of the answers of a line; all of it if there is none.
func pick(line []byte, index int) []byte {
	var all struct{ Answers []json.RawMessage }
	if index < 0 || json.Unmarshal(line, &all) != nil || index >= len(all.Answers) {
		return line
	}
	return all.Answers[index]
}

// problem is a line at which engines may differ. If before is not nil, it stands
// in the line before.
type problem struct {
	before, snapshot *configv1.Snapshot
	requests         []request
}

// lab asks all engines one thing at a time. One that ends is started again.
type lab struct {
	engines  map[string]engineCommand
	children map[string]*child
}

func (l *lab) close() {
	for _, c := range l.children {
		_ = c.close()
	}
}

// ask returns what each engine answers, by name. Nothing is shared with what was
// asked before.
func (l *lab) ask(ctx context.Context, p problem) map[string][]byte {
	steps := []problem{{snapshot: &configv1.Snapshot{}}}
	if p.before != nil {
		steps = append(steps, problem{snapshot: p.before})
	}
	steps = append(steps, p)
	all := map[string][]byte{}
	golang := &goEngine{}
	for _, step := range steps {
		all["go"] = answerOr(golang.answer(step.snapshot, step.requests))
		for name := range l.engines {
			all[name] = answerOr(l.askOne(ctx, name, step))
		}
	}
	return all
}

func answerOr(answer []byte, err error) []byte {
	if err != nil {
		return []byte(err.Error())
	}
	return answer
}

func (l *lab) askOne(ctx context.Context, name string, p problem) ([]byte, error) {
	text, err := line(p.snapshot, p.requests)
	if err != nil {
		return nil, err
	}
	c := l.children[name]
	if c == nil {
		if c, err = startChild(ctx, name, l.engines[name]); err != nil {
			return nil, err
		}
		l.children[name] = c
	}
	if err = c.send(text); err == nil {
		var answer []byte
		if answer, err = c.receive(); err == nil {
			return answer, nil
		}
	}
	delete(l.children, name)
	return nil, err
}

func (l *lab) differs(ctx context.Context, p problem) bool {
	all := l.ask(ctx, p)
	for _, got := range all {
		if _, same := compare(all["go"], got); !same {
			return true
		}
	}
	return false
}

// shrink returns a smaller problem at which engines differ, too.
func (l *lab) shrink(ctx context.Context, p problem) problem {
	const most = 1000
	tries := 0
	for smaller := true; smaller; {
		smaller = false
		for candidate := range candidates(p) {
			if tries++; tries > most || ctx.Err() != nil {
				return p
			}
			if l.differs(ctx, candidate) {
				p, smaller = candidate, true
				break
			}
		}
	}
	return p
}

// candidates yields problems that are a little smaller.
func candidates(p problem) iter.Seq[problem] {
	return func(yield func(problem) bool) {
		for _, requests := range fewerRequests(p.requests) {
			if !yield(problem{p.before, p.snapshot, requests}) {
				return
			}
		}
		for _, change := range changes(p.snapshot) {
			smaller := problem{p.before, proto.CloneOf(p.snapshot), p.requests}
			change(smaller.snapshot)
			if !yield(smaller) {
				return
			}
		}
		for _, change := range changes(p.before) {
			smaller := problem{proto.CloneOf(p.before), p.snapshot, p.requests}
			change(smaller.before)
			if !yield(smaller) {
				return
			}
		}
	}
}

func fewerRequests(requests []request) [][]request {
	switch n := len(requests); n {
	case 0:
		return nil
	case 1:
		all := [][]request{nil}
		for _, r := range smallerRequests(requests[0]) {
			all = append(all, []request{r})
		}
		return all
	default:
		return [][]request{requests[:n/2], requests[n/2:]}
	}
}

// changes are ways to make a configuration smaller.
func changes(s *configv1.Snapshot) []func(*configv1.Snapshot) {
	var all []func(*configv1.Snapshot)
	for i := range s.GetLayers() {
		all = append(all, func(s *configv1.Snapshot) { s.Layers = slices.Delete(s.Layers, i, i+1) })
	}
	for i, e := range s.GetExperiments() {
		all = append(all, func(s *configv1.Snapshot) {
			s.Experiments = slices.Delete(s.Experiments, i, i+1)
			for _, v := range e.GetVariants() {
				removeRanges(s, v.GetVid())
			}
		})
		if e.GetRule() != nil {
			all = append(all, func(s *configv1.Snapshot) { s.Experiments[i].Rule = nil })
		}
		for c, child := range e.GetRule().GetChildren() {
			all = append(all, func(s *configv1.Snapshot) { s.Experiments[i].Rule = child }, func(s *configv1.Snapshot) {
				s.Experiments[i].Rule.Children = slices.Delete(s.Experiments[i].Rule.Children, c, c+1)
			})
		}
		for v := range e.GetVariants() {
			all = append(all, func(s *configv1.Snapshot) {
				removeRanges(s, s.Experiments[i].Variants[v].GetVid())
				s.Experiments[i].Variants = slices.Delete(s.Experiments[i].Variants, v, v+1)
			})
			for _, params := range smallerObjects(e.GetVariants()[v].GetParamsJson()) {
				all = append(all, func(s *configv1.Snapshot) { s.Experiments[i].Variants[v].ParamsJson = params })
			}
		}
	}
	for i := range s.GetFields() {
		all = append(all, func(s *configv1.Snapshot) { s.Fields = slices.Delete(s.Fields, i, i+1) })
	}
	return all
}

func removeRanges(s *configv1.Snapshot, vid int32) {
	for _, l := range s.GetLayers() {
		l.Ranges = slices.DeleteFunc(l.Ranges, func(r *configv1.Range) bool { return r.GetVid() == vid })
	}
}

func smallerRequests(r request) []request {
	var all []request
	if len(r.Layers) > 0 {
		smaller := r
		smaller.Layers = nil
		all = append(all, smaller)
	}
	for i := range r.Paths {
		smaller := r
		smaller.Paths = slices.Delete(slices.Clone(r.Paths), i, i+1)
		all = append(all, smaller)
	}
	for _, text := range smallerObjects(string(r.Context)) {
		smaller := r
		smaller.Context = json.RawMessage(text)
		all = append(all, smaller)
	}
	return all
}

// smallerObjects returns the text of an object without one of its members, for
// each of them; nothing for what is no object.
func smallerObjects(text string) []string {
	keys, values, ok := members(text)
	if !ok {
		return nil
	}
	all := make([]string, 0, len(keys))
	for without := range keys {
		var b bytes.Buffer
		b.WriteByte('{')
		for i := range keys {
			if i == without {
				continue
			}
			if b.Len() > 1 {
				b.WriteByte(',')
			}
			b.Write(keys[i])
			b.WriteByte(':')
			b.Write(values[i])
		}
		b.WriteByte('}')
		all = append(all, b.String())
	}
	return all
}

// members returns the members of an object in their order, as JSON.
func members(text string) (keys, values []json.RawMessage, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	if first, err := decoder.Token(); err != nil || first != json.Delim('{') {
		return nil, nil, false
	}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, nil, false
		}
		key, err := json.Marshal(token)
		if err != nil {
			return nil, nil, false
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil, nil, false
		}
		keys, values = append(keys, key), append(values, value)
	}
	return keys, values, true
}
