package plan_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/strata-exp/strata/controlplane/internal/plan"
	"github.com/strata-exp/strata/controlplane/internal/state"
	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// TestHidden compares shares with what the engine says about all users.
func TestHidden(t *testing.T) {
	t.Parallel()
	var compared, ruled int
	eachCase(t, func(t *testing.T, before, after *state.State) {
		t.Helper()
		got := map[lossKey]*adminv1.HiddenParameter{}
		p := plan.Make(before, after, plan.Options{})
		list := p.GetHiddenParameters()
		for _, h := range list {
			got[lossKey{h.GetEid(), h.GetPath()}] = h
		}
		if !slices.IsSortedFunc(list, func(a, b *adminv1.HiddenParameter) int {
			return cmp.Or(cmp.Compare(a.GetEid(), b.GetEid()), strings.Compare(a.GetPath(), b.GetPath()))
		}) {
			t.Errorf("out of order: %v", list)
		}
		touched := map[int32]bool{}
		for _, c := range state.Compare(before, after) {
			if x := c.After.Experiment(); x != nil && c.Before != nil && c.Before.Config() != c.After.Config() {
				touched[x.GetEid()] = true
			}
		}
		grown := map[int32]bool{}
		for _, service := range []string{"shop", "search"} {
			was, is := losses(before, service), losses(after, service)
			for key := range is {
				grown[key.eid] = worst(is, key.eid) > worst(was, key.eid)
			}
			for key, l := range is {
				h := got[key]
				delete(got, key)
				if h != nil {
					compared++
					checkHidden(t, h, l)
					checkHiddenBy(t, after, service, h, l)
					if h.GetAtMost() {
						ruled++
					}
					continue
				}
				// Those that are not told of did not change.
				if l.share() > 0 && (touched[key.eid] || was[key] == nil || was[key].share() != l.share()) {
					t.Errorf("%v is hidden from %v by %v and not listed", key, l.share(), l.by)
				}
			}
		}
		for _, h := range got {
			t.Errorf("%v is not hidden", h)
		}
		for _, w := range p.GetWarnings() {
			if w.GetCode() == adminv1.WarningCode_WARNING_CODE_HIDDEN_PARAMETER {
				if !grown[w.GetEid()] {
					t.Errorf("%v, but that is not new", w)
				}
				delete(grown, w.GetEid())
			}
		}
		for eid, grown := range grown {
			if grown {
				t.Errorf("there is no warning of experiment %d", eid)
			}
		}
	})
	if compared < *cases || ruled < *cases/10 {
		t.Errorf("only %d shares were compared, %d of them with rules", compared, ruled)
	}
}

// worst returns the largest share of an experiment.
func worst(all map[lossKey]*loss, eid int32) (share float64) {
	for key, l := range all {
		if key.eid == eid {
			share = max(share, l.share())
		}
	}
	return share
}

func checkHidden(t *testing.T, h *adminv1.HiddenParameter, l *loss) {
	t.Helper()
	if h.GetShare() != l.share() {
		t.Errorf("%v, want a share of %v", h, l.share())
	}
	if l.varies && !h.GetAtMost() {
		t.Errorf("%v, but rules decide about the share", h)
	}
	for by := range l.by {
		if !slices.Contains(h.GetHiddenBy(), by) {
			t.Errorf("%v, but the engine says that it is hidden by %s", h, by)
		}
	}
}

// checkHiddenBy checks that a layer hides a parameter where it is the only other
// one, if it never is the first that does.
func checkHiddenBy(t *testing.T, s *state.State, service string, h *adminv1.HiddenParameter, l *loss) {
	t.Helper()
	for _, by := range h.GetHiddenBy() {
		if l.by[by] {
			continue
		}
		pair := losses(s, service, by, h.GetLayerId())[lossKey{h.GetEid(), h.GetPath()}]
		if !pair.by[by] {
			t.Errorf("%v, but layer %s hides it from nobody", h, by)
		}
	}
}

// TestShared compares meetings with a naive search for them.
func TestShared(t *testing.T) {
	t.Parallel()
	eachCase(t, func(t *testing.T, before, after *state.State) {
		t.Helper()
		var got, want []string
		for _, p := range plan.Make(before, after, plan.Options{}).GetSharedParameters() {
			got = append(got, p.GetService()+" "+p.GetPath()+" "+strings.Join(p.GetLayerIds(), ","))
			if int(p.GetLayerCount()) != len(p.GetLayerIds()) {
				t.Errorf("%v", p)
			}
		}
		for _, service := range []string{"search", "shop"} {
			was := meetings(before, service)
			var paths []string
			for path, m := range meetings(after, service) {
				if old := was[path]; m.meets() && (!old.meets() || !containsAll(old.layers, m.layers)) {
					paths = append(paths, service+" "+path+" "+strings.Join(m.layers, ","))
				}
			}
			slices.SortFunc(paths, func(a, b string) int {
				return strings.Compare(strings.Fields(a)[1], strings.Fields(b)[1])
			})
			want = append(want, paths...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

type writers struct {
	layers []string // in order of evaluation
	whole  bool     // one of them writes anything but an object
}

func (w writers) meets() bool { return w.whole && len(w.layers) > 1 }

func containsAll(all, some []string) bool {
	return !slices.ContainsFunc(some, func(x string) bool { return !slices.Contains(all, x) })
}

func meetings(s *state.State, service string) map[string]writers {
	all := map[string]writers{}
	for _, r := range s.Layers() {
		vids := map[int32]bool{}
		for _, vid := range owners(r.Layer()) {
			vids[vid] = true
		}
		for vid := range vids {
			x := s.ExperimentOf(vid)
			if x.GetService() != service {
				continue
			}
			for _, v := range x.GetVariants() {
				if v.GetVid() != vid {
					continue
				}
				values, objects := leaves(v.GetParamsJson())
				for path, value := range values {
					note(all, path, r.ID.Key, value != "{}")
				}
				for path := range objects {
					note(all, path, r.ID.Key, false)
				}
			}
		}
	}
	return all
}

func note(all map[string]writers, path, layerID string, whole bool) {
	w := all[path]
	if !slices.Contains(w.layers, layerID) {
		w.layers = append(w.layers, layerID)
	}
	w.whole = w.whole || whole
	all[path] = w
}
