package manifest

import (
	"errors"
	"strconv"
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// Compile compiles the configuration as a revision. What did not change since
// prev, which may be nil, is shared with it.
//
// The error is Faults, in which the engine's faults have the files, lines and
// paths that they come from. To find the lines, the files of a folder that are
// at fault are read once more; where one has changed by now, its faults have no
// line. What stands in no file is named in the problem.
func (s *Set) Compile(prev *engine.Ruleset, revision int64) (*engine.Ruleset, error) {
	ruleset, err := engine.Compile(prev, &configv1.Snapshot{
		Revision:    revision,
		Layers:      s.Snapshot.GetLayers(),
		Experiments: s.Snapshot.GetExperiments(),
		Fields:      s.Snapshot.GetFields(),
	})
	if err == nil {
		return ruleset, nil
	}
	refused, ok := errors.AsType[engine.Faults](err)
	if !ok {
		return nil, err
	}
	roots := map[*document]*value{}
	faults := make(Faults, len(refused))
	for i, fault := range refused {
		f := s.source(fault)
		if f == nil {
			faults[i] = Fault{Problem: fault.String()}
			continue
		}
		root, ok := roots[f.document]
		if !ok {
			root = f.value()
			roots[f.document] = root
		}
		where, line := join(f.at.String(), fault.Path), 0
		switch {
		case fault.Kind == engine.KindField:
			where, line = findField(root, f.at, s.Snapshot.GetFields()[fault.Index].GetName())
		case root != nil:
			where, line = find(root, where)
		}
		faults[i] = Fault{File: f.name, Line: line, Path: where, Problem: fault.Problem}
	}
	faults.sort()
	return nil, faults
}

// source returns the file of a fault's resource, nil if it has none.
func (s *Set) source(fault engine.Fault) *file {
	var f *file
	i := fault.Index
	switch {
	case i < 0:
	case fault.Kind == engine.KindLayer && i < len(s.layers):
		f = s.layers[i]
	case fault.Kind == engine.KindExperiment && i < len(s.experiments):
		f = s.experiments[i]
	case fault.Kind == engine.KindField && i < len(s.Snapshot.GetFields()):
		f = s.fields
	}
	if f == nil || f.document == nowhere {
		return nil
	}
	return f
}

// value reads a document again. It returns nil if that is not what it was.
func (d *document) value() *value {
	text := d.text
	if text == "" {
		data, info, err := read(d.name, MaxFileBytes)
		if err != nil || !d.unchanged(info) {
			return nil
		}
		text = string(data)
	}
	v, ok := (&decoder{file: d.name}).parse(text, MaxBundleBytes)
	if !ok {
		return nil
	}
	return &v
}

// join joins two paths.
func join(path, rest string) string {
	if path == "" || rest == "" || rest[0] == '[' {
		return path + rest
	}
	return path + "." + rest
}

// findField returns the path and the line of a declared field. All that can be
// wrong with it is its name and its type, and both are one member of the object
// at that path. Without the file's text, root is nil and the line not known.
func findField(root *value, at *path, name string) (where string, line int) {
	if root != nil && at != nil {
		root, _ = memberOf(root, at.key)
	}
	if root != nil {
		for i := range root.items {
			if root.items[i].key == name {
				line = int(root.items[i].line)
			}
		}
	}
	return at.to(name).String(), line
}

// find follows an engine's path as far as it leads in a file. It returns the
// path as the file has it, and the line where it ended. What is not in the file,
// as a salt that was made up, is on the line of what should have it.
func find(root *value, rest string) (where string, line int) {
	v, at := root, (*path)(nil)
	for rest != "" {
		next, to, left := step(v, at, rest)
		if next == nil {
			break
		}
		v, at, rest = next, to, left
	}
	where = at.String()
	if where != "" && rest != "" && rest[0] != '[' && rest[0] != '.' {
		where += "."
	}
	return where + rest, int(v.line)
}

// step goes from a value to the one that rest begins with, nil if there is none.
func step(v *value, at *path, rest string) (next *value, to *path, left string) {
	switch v.kind {
	case jsonscan.Array:
		index, left, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]")
		i, err := strconv.Atoi(index)
		if !ok || err != nil || i < 0 || i >= len(v.items) {
			return nil, nil, rest
		}
		return &v.items[i], at.at(i), left
	case jsonscan.Object:
		rest = strings.TrimPrefix(rest, ".")
		if member, left := memberOf(v, rest); member != nil {
			return member, at.to(member.key), left
		}
		// The engine calls what a not is over its child, the file may have
		// children.
		if left, ok := strings.CutPrefix(rest, "child"); ok {
			if children, _ := memberOf(v, "children"); children != nil && len(children.items) == 1 {
				return &children.items[0], at.to("children").at(0), left
			}
		}
	}
	return nil, nil, rest
}

// memberOf returns the member with the longest key that rest begins with: keys
// of parameters may have dots and brackets in them.
func memberOf(v *value, rest string) (member *value, left string) {
	for i := range v.items {
		item := &v.items[i]
		after, ok := strings.CutPrefix(rest, item.key)
		if ok && (after == "" || after[0] == '.' || after[0] == '[') && (member == nil || len(item.key) > len(member.key)) {
			member, left = item, after
		}
	}
	return member, left
}
