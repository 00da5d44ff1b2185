package source

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fsnotify/fsnotify"

	"github.com/strata-exp/strata/internal/manifest"
)

// watch hears of changes to files through the folders that they are in. It
// watches those folders, and all folders on the way to them and to the links
// that lead there, so that it hears of a folder that is replaced, comes back, or
// is reached by another way. Folders are watched under their real paths.
type watch struct {
	paths    manifest.Paths
	log      *slog.Logger
	notify   *fsnotify.Watcher // nil if there are no watches here
	folders  map[string]*folder
	watched  map[string]fs.FileInfo
	blind    bool // a folder that is needed can not be watched
	complain bool // about such a folder
}

// folder is what matters in a watched folder.
type folder struct {
	// of are the configured folders that this one really is, mostly one or none.
	// In such a folder all files of a configuration matter.
	of []string
	// names are the other names that matter.
	names map[string]struct{}
	// needed is false for a folder that is only on the way to others. Whoever may
	// read those may often not read, and so not watch, this one, such as /home;
	// and it is seldom replaced.
	needed bool
}

// newWatch returns a watch that watches nothing before sync. Where the system
// has no more watches to give it stays silent.
func newWatch(paths manifest.Paths, log *slog.Logger) *watch {
	w := &watch{paths: paths, log: log, watched: map[string]fs.FileInfo{}, complain: true}
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("files can not be watched, so they are looked at once a second", "error", err)
		return w
	}
	w.notify = notify
	return w
}

func (w *watch) close() {
	if w.notify != nil {
		_ = w.notify.Close()
	}
}

func (w *watch) events() <-chan fsnotify.Event {
	if w.notify == nil {
		return nil
	}
	return w.notify.Events
}

func (w *watch) errors() <-chan error {
	if w.notify == nil {
		return nil
	}
	return w.notify.Errors
}

// touched returns the configured paths that an event may have changed, and
// whether it matters at all.
func (w *watch) touched(event fsnotify.Event) (paths []string, relevant bool) {
	if f, ok := w.folders[event.Name]; ok && len(f.of) > 0 {
		return f.of, true // the folder itself
	}
	f, ok := w.folders[filepath.Dir(event.Name)]
	if !ok {
		return nil, false
	}
	name := filepath.Base(event.Name)
	_, named := f.names[name]
	switch {
	case len(f.of) > 0 && isConfiguration(name):
		for _, path := range f.of {
			paths = append(paths, filepath.Join(path, name))
		}
		return paths, true
	case named, len(f.of) > 0 && strings.HasPrefix(name, ".."):
		return w.all(), true // a link was switched, a folder on the way replaced, or it is the fields
	default:
		return nil, false
	}
}

// all returns the configured paths. A file of fields beside the layers is among
// them in any case.
func (w *watch) all() []string {
	paths := []string{w.paths.Layers, w.paths.Experiments}
	if w.paths.Fields != "" {
		return append(paths, w.paths.Fields)
	}
	for _, ext := range extensions {
		paths = append(paths, filepath.Join(w.paths.Layers, "..", "fields"+ext))
	}
	return paths
}

// stands reports whether events come from every folder that is needed.
func (w *watch) stands() bool { return w.notify != nil && !w.blind }

// extensions are those of the files of a configuration.
var extensions = []string{".json", ".yaml", ".yml"}

// isConfiguration reports whether a file of this name is read.
func isConfiguration(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains(extensions, filepath.Ext(name))
}

// sync makes the watched folders those that now matter.
func (w *watch) sync() {
	if w.notify == nil {
		return
	}
	w.folders, w.blind = w.find(), false
	alive := map[string]bool{}
	for _, path := range w.notify.WatchList() {
		alive[path] = true
		if w.folders[path] == nil {
			_ = w.notify.Remove(path) // gone is gone
			delete(w.watched, path)
		}
	}
	for path, f := range w.folders {
		info, err := os.Stat(path)
		if err != nil {
			continue // it has just gone, which is an event in the folder around it
		}
		if alive[path] && w.watched[path] != nil && os.SameFile(info, w.watched[path]) {
			continue
		}
		if alive[path] {
			_ = w.notify.Remove(path)
		}
		if err := w.notify.Add(path); err != nil {
			if f.needed && !errors.Is(err, fs.ErrNotExist) {
				w.missing(path, err)
			}
			continue
		}
		w.watched[path] = info
	}
}

// missing notes that a folder can not be watched, and says so once.
func (w *watch) missing(path string, err error) {
	w.blind = true
	if w.complain {
		w.complain = false
		w.log.Warn("a folder can not be watched, so files are looked at once a second", "folder", path, "error", err)
	}
}

// find returns the folders that matter now.
func (w *watch) find() map[string]*folder {
	found := finder{}
	for _, path := range []string{w.paths.Layers, w.paths.Experiments} {
		actual := found.follow(path)
		if actual == "" {
			continue
		}
		found.at(actual).of, found.at(actual).needed = append(found.at(actual).of, path), true
		entries, err := os.ReadDir(actual)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			if entry.Type()&fs.ModeSymlink != 0 && isConfiguration(entry.Name()) {
				found.follow(filepath.Join(actual, entry.Name()))
			}
		}
	}
	if w.paths.Fields != "" {
		found.follow(w.paths.Fields)
		return found
	}
	for _, ext := range extensions {
		found.follow(filepath.Join(w.paths.Layers, "..", "fields"+ext))
	}
	return found
}

// finder collects folders by their real paths.
type finder map[string]*folder

func (f finder) at(path string) *folder {
	if f[path] == nil {
		f[path] = &folder{names: map[string]struct{}{}}
	}
	return f[path]
}

// need notes a name without whose folder a change would go unseen.
func (f finder) need(folder, name string) {
	f.at(folder).names[name], f.at(folder).needed = struct{}{}, true
}

// follow walks to a path over all its links, and notes all names on the way, up
// to the first that is not there. Needed are the folders of each link and of the
// last name. It returns the real path, "" if there is none.
func (f finder) follow(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	const mostLinks = 40 // as Linux
	links := 0
	at, rest := string(filepath.Separator), split(path)
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		switch {
		case err != nil:
			f.need(at, name)
			return ""
		case info.Mode()&fs.ModeSymlink != 0:
			f.need(at, name)
			target, err := os.Readlink(next)
			if links++; err != nil || links > mostLinks {
				return ""
			}
			if filepath.IsAbs(target) {
				at = string(filepath.Separator)
			}
			rest = append(split(target), rest...)
			continue
		case name == ".." || name == ".": // of a link's target
		case len(rest) == 0:
			f.need(at, name)
		default:
			f.at(at).names[name] = struct{}{}
		}
		at = next
	}
	return at
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}
