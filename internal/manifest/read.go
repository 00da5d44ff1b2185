package manifest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// standardInput is what faults call it, and the only name that does not say
// whether the text is JSON or YAML.
const standardInput = "<stdin>"

// Read reads the configuration at a path, once. A path is one of
//
//   - a folder, with what it has of layers/, experiments/, services/ and a file
//     of fields, as [Loader] reads them. Unlike there, one that has none of them is an empty
//     configuration, unless it has other files of a configuration's format: then
//     it is more likely the wrong folder;
//   - a file, read as by [Decode];
//   - "-" for what stdin has, in JSON or YAML, read as by [Decode]. Nothing else
//     reads stdin, which may be nil then.
//
// The error is Faults, and lists everything that is wrong.
func Read(path string, stdin io.Reader) (*Set, error) {
	if path == "-" {
		data, err := io.ReadAll(io.LimitReader(stdin, MaxBundleBytes+1))
		if err != nil {
			return nil, Faults{{File: standardInput, Problem: "can not be read: " + reason(err)}}
		}
		return errorOf(Decode(standardInput, data))
	}
	if path == "" {
		return nil, Faults{{Problem: "no path of a configuration is given"}}
	}
	path = filepath.Clean(path)
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Faults{{File: path, Problem: "does not exist"}}
	case err != nil:
		return nil, Faults{{File: path, Problem: "can not be read: " + reason(err)}}
	case info.IsDir():
		return readFolder(path)
	}
	data, _, err := read(path, MaxBundleBytes)
	if err != nil {
		return nil, Faults{{File: path, Problem: "can not be read: " + reason(err)}}
	}
	return errorOf(Decode(path, data))
}

// errorOf makes no error of no faults.
func errorOf(set *Set, faults Faults) (*Set, error) {
	if faults != nil {
		return nil, faults
	}
	return set, nil
}

func readFolder(path string) (*Set, error) {
	load := loading{optional: true, files: map[fileKey]*file{}}
	paths := In(path)
	layers := load.folder(engine.KindLayer, paths.Layers)
	experiments := load.folder(engine.KindExperiment, paths.Experiments)
	fields := load.fields(paths)
	services := load.services(paths)
	if layers == nil && experiments == nil && fields == nil && services == nil && len(load.faults) == 0 {
		load.wrongFolder(path)
	}
	return load.set(nil, layers, experiments, fields, services)
}

// wrongFolder faults a folder that has files that might be meant.
func (l *loading) wrongFolder(path string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		l.fault(path, "can not be read: "+reason(err))
		return
	}
	for _, entry := range entries {
		if isDocument(entry.Name()) {
			l.fault(path, "has no layers/, no experiments/, no services/ and no file of fields, but "+quote(entry.Name())+
				"; want the folder that has them, or the name of one file")
			return
		}
	}
}
