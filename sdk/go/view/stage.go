package view

import (
	"bytes"
	"errors"
	"fmt"

	configv1 "github.com/strata-exp/strata/gen/go/strata/config/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// ErrOlder says that a server is behind its follower, which therefore keeps what
// it has.
var ErrOlder = errors.New("the server is behind what is held here")

// Stage puts the parts of an Update together. What it was put together on stays
// as it is until the last part has proved right. It is for one goroutine; the
// zero Stage is ready.
type Stage struct {
	first   *servingv1.Update // nil between updates
	next    int32             // the part that has to come
	changes configv1.Changes
}

// Add takes a part. After the last one it returns the configuration that the
// Update leads to from current; before that, nil. After an error the follower
// holds nothing of the Update, and has to begin anew; for ErrOlder, at another
// server or later.
func (s *Stage) Add(current *View, u *servingv1.Update) (*View, error) {
	next, err := s.add(current, u)
	if err != nil || next != nil {
		*s = Stage{}
	}
	return next, err
}

func (s *Stage) add(current *View, u *servingv1.Update) (*View, error) {
	if err := s.check(current, u); err != nil {
		return nil, err
	}
	changes, err := DecodePart(u.GetChanges())
	if err != nil {
		return nil, err
	}
	s.changes.Puts = append(s.changes.Puts, changes.GetPuts()...)
	s.changes.Deletes = append(s.changes.Deletes, changes.GetDeletes()...)
	if !u.GetLast() {
		return nil, nil
	}
	base := current
	if u.GetKind() == servingv1.Update_KIND_FULL {
		base = Empty()
	}
	next, err := base.Apply(Position{u.GetEpoch(), u.GetToRevision()}, &s.changes)
	if err != nil {
		return nil, err
	}
	if hash := next.Hash(); !bytes.Equal(hash[:], u.GetHash()) {
		return nil, fmt.Errorf("%v: the hash is %v, and should be %x", next.Position(), hash, u.GetHash())
	}
	if next.Len() != int(u.GetEntityCount()) {
		return nil, fmt.Errorf("%v: %d entities, and should be %d", next.Position(), next.Len(), u.GetEntityCount())
	}
	return next, nil
}

// check checks what can be known of an Update before its contents.
func (s *Stage) check(current *View, u *servingv1.Update) error {
	if f := s.first; f != nil && (u.GetKind() != f.GetKind() || u.GetEpoch() != f.GetEpoch() ||
		u.GetFromRevision() != f.GetFromRevision() || u.GetToRevision() != f.GetToRevision()) {
		return errors.New("parts of two updates are mixed")
	}
	if u.GetPart() != s.next {
		return fmt.Errorf("part %d of an update came where part %d should", u.GetPart(), s.next)
	}
	s.first, s.next = u, s.next+1
	to, at := Position{u.GetEpoch(), u.GetToRevision()}, current.Position()
	if to.Revision < 1 {
		return fmt.Errorf("an update leads to revision %d", to.Revision)
	}
	switch u.GetKind() {
	case servingv1.Update_KIND_FULL:
		if to.Compare(at) < 0 {
			return fmt.Errorf("%w: it sends %v, held is %v", ErrOlder, to, at)
		}
	case servingv1.Update_KIND_DELTA:
		if from := (Position{u.GetEpoch(), u.GetFromRevision()}); from != at {
			return fmt.Errorf("an update from %v came, held is %v", from, at)
		}
		if to.Revision <= at.Revision {
			return fmt.Errorf("an update from %v leads back to revision %d", at, to.Revision)
		}
	default:
		return fmt.Errorf("an update of unknown kind %d", u.GetKind())
	}
	return nil
}
