package manifest

import (
	"maps"
	"slices"
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// Documents is a configuration whose documents stand in a store of keys and
// texts. Under a prefix, such as "strata/", the keys are named as files are in a
// folder that [In] knows: strata/layers/click.yaml, strata/experiments/100.json,
// strata/fields.yaml. What is passed over there is passed over here: other names,
// those that begin with a dot, and all that lies deeper. So are declared services,
// which nobody needs who evaluates.
//
// It is for one goroutine.
type Documents struct {
	prefix string
	texts  map[string]string // of the documents, by key
	files  map[string]*file  // what became of the texts, if they were read since they came
	keys   []string          // of texts in order, nil if they are to be ordered anew
	last   *Set
}

// NewDocuments returns a configuration without documents. The prefix is what
// stands before "layers/" in a key.
func NewDocuments(prefix string) *Documents {
	return &Documents{prefix: prefix, texts: map[string]string{}, files: map[string]*file{}}
}

// Put makes a text that of a key. It is read with the next Load, unless it is
// what the key had.
func (d *Documents) Put(key, text string) {
	if d.kind(key) == "" {
		return
	}
	before, ok := d.texts[key]
	if ok && before == text {
		return
	}
	if !ok {
		d.keys = nil
	}
	d.texts[key] = text
	delete(d.files, key)
}

// Delete takes a key away. It need not be there.
func (d *Documents) Delete(key string) {
	if _, ok := d.texts[key]; ok {
		delete(d.texts, key)
		delete(d.files, key)
		d.keys = nil
	}
}

// Replace makes texts, by key, all that there are.
func (d *Documents) Replace(texts map[string]string) {
	for key := range d.texts {
		if _, ok := texts[key]; !ok {
			d.Delete(key)
		}
	}
	for key, text := range texts {
		d.Put(key, text)
	}
}

// Load returns what the documents say now. Only those are read whose text is
// another than before; the messages of all others are the same pointers as
// before. If no document changed, so is the Set.
//
// The error is Faults, with every fault of every document, which has its key in
// place of a path. Then there is no Set. That there is no document at all is a
// fault, as is a folder that does not exist: most likely the prefix is another
// one, or was deleted by mistake.
func (d *Documents) Load() (*Set, error) {
	if d.keys == nil {
		d.keys = slices.Sorted(maps.Keys(d.texts))
	}
	load := loading{}
	if len(d.keys) == 0 {
		load.fault(d.prefix, "no documents are there: want layers/, experiments/ or a file of fields under this prefix")
	}
	var layers, experiments []*file
	fields := map[string]*file{}
	for _, key := range d.keys {
		f, ok := d.files[key]
		if !ok {
			f = newFile(d.kind(key), &document{name: key, text: d.texts[key]}, d.texts[key])
			d.files[key] = f
		}
		load.faults = append(load.faults, f.faults...)
		switch d.kind(key) {
		case engine.KindLayer:
			layers = append(layers, f)
		case engine.KindExperiment:
			experiments = append(experiments, f)
		default:
			fields[key] = f
		}
	}
	set, err := load.set(d.last, layers, experiments, load.one(func(extension string) *file {
		return fields[d.prefix+keyFields+extension]
	}), nil)
	if err != nil {
		return nil, err
	}
	d.last = set
	return set, nil
}

// kind returns what the document of a key is, "" for one that is passed over.
func (d *Documents) kind(key string) engine.Kind {
	name, ok := strings.CutPrefix(key, d.prefix)
	if !ok {
		return ""
	}
	folder, name, inFolder := strings.Cut(name, "/")
	switch {
	case !inFolder && isFields(folder):
		return engine.KindField
	case strings.Contains(name, "/") || !isDocument(name):
		return ""
	case folder == keyLayers:
		return engine.KindLayer
	case folder == keyExperiments:
		return engine.KindExperiment
	default:
		return ""
	}
}
