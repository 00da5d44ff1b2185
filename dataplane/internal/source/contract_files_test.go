package source

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
	"github.com/strata-exp/strata/internal/manifest"
)

func TestFilesContract(t *testing.T) {
	t.Parallel()
	testContract(t, func(t *testing.T) fixture {
		t.Helper()
		b := setup(t)
		b.must(os.Remove(b.path("layers/a.json")))
		b.must(os.Remove(b.path("experiments/1.json")))
		b.mkdir("elsewhere")
		return (*folderFixture)(b)
	})
}

// folderFixture is a folder. Of several files that are written within the quiet
// period none is read before the others, but a test that is put to sleep may
// take longer, so that this is not promised here.
type folderFixture bundle

func (*folderFixture) promises() promises { return promises{faults: true} }

func (f *folderFixture) edit(tb testing.TB, edits ...edit) {
	tb.Helper()
	b := (*bundle)(f)
	for _, e := range edits {
		if e.text == "" {
			b.must(os.Remove(b.path(e.name)))
		} else {
			b.save(e.name, e.text)
		}
	}
}

func (f *folderFixture) source(holder *snapshot.Holder, log *slog.Logger) Source {
	b := (*bundle)(f)
	files := NewFiles(manifest.Paths{Layers: b.path("layers"), Experiments: b.path("experiments")}, holder, log)
	files.poll = intervals{time.Hour, time.Hour}
	return files
}

func (*folderFixture) cut()  {}
func (*folderFixture) mend() {}
