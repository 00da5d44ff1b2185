package manifest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// document is the text of a file, or how to come by it again.
type document struct {
	name string      // "" for what stands in no file
	text string      // "" if it is to be read again
	info fs.FileInfo // from before it was read, if it is to be read again
}

// unchanged reports whether a file looks as it did when it was read.
func (d *document) unchanged(info fs.FileInfo) bool {
	return os.SameFile(d.info, info) && d.info.Size() == info.Size() && d.info.ModTime().Equal(info.ModTime())
}

// file is what was read from a file, or from one place in a bundle. It never
// changes.
type file struct {
	*document
	at         *path // the place in the document
	layer      *configv1.Layer
	experiment *configv1.Experiment
	fields     []*configv1.Field
	service    *Service
	notes      Notes
	faults     Faults
}

// loading is one Load or Read.
type loading struct {
	before, files map[fileKey]*file
	optional      bool // folders may be absent, as that of services always may
	faults        Faults
}

func (l *loading) fault(name, problem string) {
	l.faults = append(l.faults, Fault{File: name, Problem: problem})
}

// folder returns the files of a folder in the order of their names.
func (l *loading) folder(kind engine.Kind, name string) []*file {
	if name == "" {
		l.fault(string(kind)+"s", "no folder is given")
		return nil
	}
	name = filepath.Clean(name)
	entries, err := os.ReadDir(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (l.optional || kind == kindService):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		l.fault(name, "the folder of "+string(kind)+"s does not exist")
		return nil
	case err != nil:
		l.fault(name, "the folder of "+string(kind)+"s can not be read: "+reason(err))
		return nil
	}
	files := []*file{}
	for _, entry := range entries {
		if !isDocument(entry.Name()) {
			continue
		}
		if f := l.file(kind, filepath.Join(name, entry.Name())); f != nil {
			files = append(files, f)
		}
	}
	return files
}

// services returns the files of declared services.
func (l *loading) services(paths Paths) []*file {
	if paths.Services == "" {
		return nil
	}
	return l.folder(kindService, paths.Services)
}

// fields returns the file of declared fields, nil if there is none.
func (l *loading) fields(paths Paths) *file {
	if paths.Fields != "" {
		name := filepath.Clean(paths.Fields)
		switch info, err := os.Stat(name); {
		case errors.Is(err, fs.ErrNotExist):
			l.fault(name, "the file of fields does not exist")
			return nil
		case err == nil && info.IsDir():
			l.fault(name, "want a file of fields, got a folder")
			return nil
		}
		return l.file(engine.KindField, name)
	}
	if paths.Layers == "" {
		return nil
	}
	return l.one(func(extension string) *file {
		return l.file(engine.KindField, filepath.Join(paths.Layers, "..", keyFields+extension))
	})
}

// one returns the one file of fields of those with any of the extensions, nil if
// there is none.
func (l *loading) one(with func(extension string) *file) *file {
	var first *file
	for _, extension := range extensions {
		f := with(extension)
		switch {
		case f == nil:
		case first == nil:
			first = f
		default:
			l.fault(f.name, "there is a "+filepath.Base(first.name)+" as well; want one file of fields")
		}
	}
	return first
}

// set returns what was loaded, if there was no fault: last, if it is of the same
// files.
func (l *loading) set(last *Set, layers, experiments []*file, fields *file, services []*file) (*Set, error) {
	if len(l.faults) > 0 {
		l.faults.sort()
		return nil, l.faults
	}
	if last != nil && last.fields == fields &&
		slices.Equal(last.layers, layers) && slices.Equal(last.experiments, experiments) &&
		slices.Equal(last.services, services) {
		return last, nil
	}
	return newSet(layers, experiments, fields, services), nil
}

// file returns a file, read again or not. It returns nil if there is no such
// file, a folder instead, or a fault on the way to its text.
func (l *loading) file(kind engine.Kind, name string) *file {
	key := fileKey{kind, name}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(name); err == nil {
			l.fault(name, "a link that leads nowhere")
		}
		return nil // or else it has been removed just now
	case err != nil:
		l.fault(name, "can not be read: "+reason(err))
		return nil
	case info.IsDir():
		return nil
	case !info.Mode().IsRegular():
		l.fault(name, "want a regular file or a link to one")
		return nil
	}
	f, ok := l.before[key]
	if !ok || !f.unchanged(info) {
		data, info, err := read(name, MaxFileBytes)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				l.fault(name, "can not be read: "+reason(err))
			}
			return nil
		}
		f = newFile(kind, &document{name: name, info: info}, string(data))
	}
	l.files[key] = f
	l.faults = append(l.faults, f.faults...)
	return f
}

func newFile(kind engine.Kind, document *document, text string) *file {
	f, faults := decode(document.name, text, MaxFileBytes, decoderOf(kind))
	if faults != nil {
		f = &file{faults: faults}
	}
	f.document = document
	return f
}

// decoderOf returns the method that decodes a file of one resource, or of
// fields.
func decoderOf(kind engine.Kind) func(*decoder, *value, *path) *file {
	switch kind {
	case engine.KindLayer:
		return (*decoder).layer
	case engine.KindExperiment:
		return (*decoder).experiment
	case kindService:
		return (*decoder).service
	default:
		return (*decoder).fields
	}
}

// read returns the text of a file, a little more than limit of it at most, and
// what the file was like before.
func read(name string, limit int64) (data []byte, info fs.FileInfo, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err = f.Stat()
	if err != nil {
		return nil, nil, err
	}
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	return data, info, err
}

// reason returns what is wrong without the path, which the fault names already.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}
