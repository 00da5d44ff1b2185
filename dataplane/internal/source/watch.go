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
// watches those folders, the folders of all links that lead to them, and the
// folders that they themselves are in, so that it hears of a folder that is
// replaced, comes back, or is reached by another way. Folders are watched under
// their real paths.
type watch struct {
	paths    manifest.Paths
	log      *slog.Logger
	notify   *fsnotify.Watcher // nil if there are no watches here
	folders  map[string]*folder
	watched  map[string]fs.FileInfo
	complain bool // about a folder that can not be watched
}

// folder is what matters in a watched folder.
type folder struct {
	// of are the configured folders that this one really is, mostly one or none.
	// In such a folder all files of a configuration matter.
	of []string
	// names are the other names that matter.
	names map[string]struct{}
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
	all := []string{w.paths.Layers, w.paths.Experiments}
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
	case named && name == filepath.Base(w.paths.Fields):
		return append(all, w.paths.Fields), true
	case named && isConfiguration(name):
		return append(all, filepath.Join(w.paths.Layers, "..", name)), true
	case named, len(f.of) > 0 && strings.HasPrefix(name, ".."):
		return all, true // a link was switched
	default:
		return nil, false
	}
}

// isConfiguration reports whether a file of this name is read.
func isConfiguration(name string) bool {
	return !strings.HasPrefix(name, ".") && slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(name))
}

// sync makes the watched folders those that now matter.
func (w *watch) sync() {
	if w.notify == nil {
		return
	}
	w.folders = w.find()
	alive := map[string]bool{}
	for _, path := range w.notify.WatchList() {
		alive[path] = true
		if w.folders[path] == nil {
			_ = w.notify.Remove(path) // gone is gone
			delete(w.watched, path)
		}
	}
	for path := range w.folders {
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
			if w.complain && !errors.Is(err, fs.ErrNotExist) {
				w.complain = false
				w.log.Warn("a folder can not be watched, so it is looked at once a second", "folder", path, "error", err)
			}
			continue
		}
		w.watched[path] = info
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
		found.at(actual).of = append(found.at(actual).of, path)
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
	for _, ext := range []string{".json", ".yaml", ".yml"} {
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

// follow walks to a path over all its links, and notes the folder of each link
// and of the path itself, or of the first name on the way that is not there. It
// returns the real path, "" if there is none.
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
			f.at(at).names[name] = struct{}{}
			return ""
		case info.Mode()&fs.ModeSymlink != 0:
			f.at(at).names[name] = struct{}{}
			target, err := os.Readlink(next)
			if links++; err != nil || links > mostLinks {
				return ""
			}
			if filepath.IsAbs(target) {
				at = string(filepath.Separator)
			}
			rest = append(split(target), rest...)
			continue
		case len(rest) == 0:
			f.at(at).names[name] = struct{}{}
		}
		at = next
	}
	return at
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == filepath.Separator })
}
