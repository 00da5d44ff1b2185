package push

import (
	"github.com/strata-exp/strata/sdk/go/view"
)

// projectAll returns what a scope has of base, whose index is given, at the same
// Position.
func projectAll(x *index, s Scope, base *view.View) *view.View {
	var puts []*view.Entity
	for e := range base.All() {
		if projected := x.project(s, e); projected != nil {
			puts = append(puts, projected)
		}
	}
	return view.Empty().With(base.Position(), puts, nil)
}

// projectTouched returns what a scope has of base, from what it had of the
// configuration before, and the keys of what is not the same, sorted. touched is
// what index.advance returned on the way to base.
func projectTouched(x *index, s Scope, base, before *view.View, touched []view.Key) (*view.View, []view.Key) {
	var puts []*view.Entity
	var deletes, changed []view.Key
	for _, key := range touched {
		had, has := before.Get(key), x.project(s, base.Get(key))
		switch {
		case has == nil && had != nil:
			deletes, changed = append(deletes, key), append(changed, key)
		case has != nil && (had == nil || had.TreeDigest() != has.TreeDigest()):
			puts, changed = append(puts, has), append(changed, key)
		}
	}
	return before.With(base.Position(), puts, deletes), changed
}
