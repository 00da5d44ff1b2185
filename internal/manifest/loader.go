package manifest

import (
	"path/filepath"
	"sync"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// Paths says where the files are.
type Paths struct {
	// Layers and Experiments are folders. Of each, the files are read whose names
	// end in .json, .yaml or .yml and do not begin with a dot, and links to such
	// files, as Kubernetes makes them for a ConfigMap. Everything else in it is
	// passed over, folders too.
	Layers, Experiments string
	// Fields is the file of declared fields. If it is empty, a fields.json,
	// fields.yaml or fields.yml beside the folder of layers is read where there is
	// one.
	Fields string
	// Services is a folder like those above, of declared services, and may be
	// absent. If it is empty, none are read.
	Services string
}

// In returns the paths of a configuration that stands in one folder: its
// layers, its experiments, and its file of fields and its services if it has them.
func In(folder string) Paths {
	return Paths{
		Layers:      filepath.Join(folder, "layers"),
		Experiments: filepath.Join(folder, "experiments"),
		Services:    filepath.Join(folder, "services"),
	}
}

// Loader loads a configuration from files again and again, reading only those
// that changed in between. Its methods may be called from any goroutine; loads
// take turns.
type Loader struct {
	paths Paths

	mu    sync.Mutex
	files map[fileKey]*file
	last  *Set
}

// fileKey tells files apart, and the uses of one file, should two of the paths
// lead to it.
type fileKey struct {
	kind engine.Kind
	name string
}

// NewLoader returns a loader that has read nothing yet.
func NewLoader(paths Paths) *Loader {
	return &Loader{paths: paths, files: map[fileKey]*file{}}
}

// Touch forgets what was read from a file, or from all files of a folder, so
// that the next Load reads it again even if it looks unchanged: a file system's
// clock is coarse, and may have stood still between two writes of equal length.
// The path is spelled as in the Loader's paths.
func (l *Loader) Touch(path string) {
	path = filepath.Clean(path)
	l.mu.Lock()
	defer l.mu.Unlock()
	for key := range l.files {
		if key.name == path || filepath.Dir(key.name) == path {
			delete(l.files, key)
		}
	}
}

// Load returns what the files say now. A file is read again if its size, its
// time of modification or, behind links, the file itself is another than
// before; the messages of all others are the same pointers as before. If no
// file changed, so is the Set.
//
// The error is Faults, with every fault of every file. Then there is no Set,
// and what was read without fault is kept for the next Load.
func (l *Loader) Load() (*Set, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	load := loading{before: l.files, files: map[fileKey]*file{}}
	layers := load.folder(engine.KindLayer, l.paths.Layers)
	experiments := load.folder(engine.KindExperiment, l.paths.Experiments)
	fields := load.fields(l.paths)
	services := load.services(l.paths)
	l.files = load.files
	set, err := load.set(l.last, layers, experiments, fields, services)
	if err != nil {
		return nil, err
	}
	l.last = set
	return set, nil
}
