package push

import "time"

// holder is who is to be charged for a scope. The zero holder is charged nothing.
type holder struct {
	key  string // an access key
	most int    // how many scopes it may have
}

// ledger is which scopes access keys use, or used lately. It is of the hub's
// feedsMu.
type ledger map[string]map[scopeID]*usage

type usage struct {
	users int
	idle  time.Time // since when there are none
}

// take charges a holder for one more use of a scope. It is not ok if the holder
// uses too many. Who used too many lately gives the one up that was used least
// recently: so nobody fills a hub by asking for one scope after another.
func (l ledger) take(by holder, id scopeID) (gone *scopeID, ok bool) {
	if by == (holder{}) {
		return nil, true
	}
	scopes := l[by.key]
	if u := scopes[id]; u != nil {
		u.users++
		return nil, true
	}
	if len(scopes) >= by.most {
		if gone = oldest(scopes); gone == nil {
			return nil, false
		}
		delete(scopes, *gone)
	}
	if scopes == nil {
		scopes = map[scopeID]*usage{}
		l[by.key] = scopes
	}
	scopes[id] = &usage{users: 1}
	return gone, true
}

// oldest returns the scope that nobody uses for the longest time, nil if all are
// in use.
func oldest(scopes map[scopeID]*usage) *scopeID {
	var found *scopeID
	for id, u := range scopes {
		if u.users == 0 && (found == nil || u.idle.Before(scopes[*found].idle)) {
			found = &id
		}
	}
	return found
}

func (l ledger) release(by holder, id scopeID, now time.Time) {
	if u := l[by.key][id]; u != nil {
		u.users--
		u.idle = now
	}
}

// sweep forgets what was not used for a while.
func (l ledger) sweep(now time.Time) {
	for key, scopes := range l {
		for id, u := range scopes {
			if u.users == 0 && now.Sub(u.idle) > scopeIdle {
				delete(scopes, id)
			}
		}
		if len(scopes) == 0 {
			delete(l, key)
		}
	}
}
