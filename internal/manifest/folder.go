package manifest

import (
	"cmp"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// Changes is what WriteFolder did: names of files, spelled as the folder was.
type Changes struct {
	// Written files are new or say something else than before.
	Written []string
	// Stale files are those of layers, experiments, services and fields that are not
	// in the configuration: removed, if that was asked for, or else still there, so that
	// the folder says more than the configuration.
	Stale []string
}

// WriteFolder writes a configuration as a folder that [In] and [Read] know: one
// file for each layer, experiment and service and, if there are any, one for the
// fields.
//
// The folder is made if need be. One that is not empty must have layers/,
// experiments/, services/ or a file of fields already, and nothing in them at
// fault. What has a file there keeps it and its format, and if that file says the same already, notes included, it is not touched. All others
// get a file in YAML that is called after their id, as far as that is fit for a
// name. Files of what is not in the configuration are removed if removeStale.
// Files of anything else, and those whose names begin with a dot, are not
// touched.
//
// All texts are written beside their places before the first of them is put in
// place, layers before experiments: the layers of a new folder of which only a
// part is there refer to variants that are not, and it is refused. One process
// at a time may write a folder.
//
// The error is Faults if the folder is at fault, or the configuration says what
// no file can say. As long as texts are not put in place, no file is changed by
// an error.
func WriteFolder(dir string, set *Set, removeStale bool) (*Changes, error) {
	if dir == "" {
		return nil, Faults{{Problem: "no folder is given"}}
	}
	dir = filepath.Clean(dir)
	there, err := readTarget(dir)
	if err != nil {
		return nil, err
	}
	p := &plan{dir: dir, services: len(set.services) > 0}
	p.fields(there.fields, set.Snapshot.GetFields())
	if err := errors.Join(
		p.resources(engine.KindLayer, there.layers, set.layers),
		p.resources(engine.KindExperiment, there.experiments, set.experiments),
		p.resources(kindService, there.services, set.services),
	); err != nil {
		return nil, err
	}
	if len(p.faults) > 0 {
		return nil, p.faults
	}
	if err := p.write(); err != nil {
		return nil, err
	}
	for _, name := range p.Stale {
		if !removeStale {
			break
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return &p.Changes, nil
}

// readTarget reads a folder that is to be written, if it may be.
func readTarget(dir string) (*Set, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newSet(nil, nil, nil, nil), nil
	case err != nil:
		return nil, err
	}
	empty, known := true, false
	for _, entry := range entries {
		name := entry.Name()
		empty = empty && strings.HasPrefix(name, ".")
		known = known || name == keyLayers || name == keyExperiments || name == keyServices || isFields(name)
	}
	if !empty && !known {
		return nil, Faults{{File: dir, Problem: "is not empty, and has no layers/, no experiments/, no services/ and no file of fields"}}
	}
	return readFolder(dir)
}

// plan is what is to be done to a folder.
type plan struct {
	Changes
	dir   string
	texts [][]byte // of Written
	// services says that there are some.
	services bool
	faults   Faults
}

// resources plans the files of one kind. The error is a folder that can not be
// read.
func (p *plan) resources(kind engine.Kind, there, wanted []*file) error {
	folder := string(kind) + "s"
	names, err := namesIn(filepath.Join(p.dir, folder))
	if err != nil {
		return err
	}
	old := map[string]*file{}
	for _, f := range there {
		if _, twice := old[f.id()]; !twice {
			old[f.id()] = f
		}
	}
	order := make([]int, len(wanted))
	for i := range order {
		order[i] = i
	}
	// Which of two gets a name must not depend on their order.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(wanted[a].id(), wanted[b].id()) })
	kept := map[*file]bool{}
	last := ""
	for n, i := range order {
		f, at := wanted[i], (*path)(nil).to(folder).at(i)
		id := f.id()
		if n > 0 && id == last {
			p.faults = append(p.faults, Fault{Path: at.String(), Problem: "stands twice: the id must be unique"})
			continue
		}
		last = id
		before, ok := old[id]
		switch {
		case !ok:
			p.put(kind, f, at, filepath.Join(p.dir, folder, names.pick(id)))
		case !before.same(f):
			p.put(kind, f, at, before.name)
		}
		kept[before] = true
	}
	for _, f := range there {
		if !kept[f] {
			p.Stale = append(p.Stale, f.name)
		}
	}
	return nil
}

// fields plans the file of fields. Their order means nothing, so that another
// one alone is no reason to write them.
func (p *plan) fields(there *file, fields []*configv1.Field) {
	types := func(fields []*configv1.Field) map[string]configv1.FieldType {
		types := map[string]configv1.FieldType{}
		for _, f := range fields {
			types[f.GetName()] = f.GetType()
		}
		return types
	}
	before := &file{document: &document{name: filepath.Join(p.dir, keyFields+".yaml")}}
	if there != nil {
		before = there
	}
	switch {
	case len(fields) == len(before.fields) && maps.Equal(types(fields), types(before.fields)):
	case len(fields) == 0:
		p.Stale = append(p.Stale, before.name)
	default:
		p.put(engine.KindField, &file{fields: fields}, (*path)(nil).to(keyFields), before.name)
	}
}

// put plans a file.
func (p *plan) put(kind engine.Kind, f *file, at *path, name string) {
	format := YAML
	if filepath.Ext(name) == ".json" {
		format = JSON
	}
	text, err := f.encode(kind, format)
	if faults, ok := errors.AsType[Faults](err); ok {
		for _, fault := range faults {
			p.faults = append(p.faults, Fault{Path: join(at.String(), fault.Path), Problem: fault.Problem})
		}
		return
	}
	p.Written = append(p.Written, name)
	p.texts = append(p.texts, text)
}

func (p *plan) write() error {
	folders := []string{keyLayers, keyExperiments}
	if p.services {
		folders = append(folders, keyServices)
	}
	for _, folder := range folders {
		err := os.MkdirAll(filepath.Join(p.dir, folder), 0o755) //nolint:gosec // configuration is no secret
		if err != nil {
			return err
		}
	}
	var staged []string
	defer func() {
		for _, name := range staged {
			_ = os.Remove(name) // is there after an error alone, which says more
		}
	}()
	for i, name := range p.Written {
		// A name that every file system takes, and no reader of folders.
		temporary := filepath.Join(filepath.Dir(name), ".strata-"+strconv.Itoa(i)+".tmp")
		staged = append(staged, temporary)
		if err := writeNew(temporary, p.texts[i]); err != nil {
			return err
		}
	}
	for i, name := range p.Written {
		if err := os.Rename(staged[i], name); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file in place of one that was left behind, but never through
// a link to another one.
func writeNew(name string, text []byte) (err error) {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // configuration is no secret
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.Write(text)
	return err
}
