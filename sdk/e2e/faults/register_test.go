//go:build faults

package faults_test

import (
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/anishathalye/porcupine"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	"github.com/strata-exp/strata/sdk/e2e/fleet"
)

// swap is a change that asks for a revision to be the newest one.
type swap struct{ expected int64 }

// swapped is what came of it: the revision that was made, 0 if it was refused.
type swapped struct{ revision int64 }

// register is an environment that is changed by swaps alone.
var register = porcupine.Model{
	Init: func() any { return int64(2) },
	Step: func(state, input, output any) (bool, any) {
		at, in, out := state.(int64), input.(swap), output.(swapped)
		if out.revision == 0 {
			return at != in.expected, at
		}
		return at == in.expected && out.revision == at+1, out.revision
	},
	Equal: func(a, b any) bool { return a == b },
}

// TestRegister demands that the model refuses what can not be.
func TestRegister(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		operations []porcupine.Operation
		want       bool
	}{
		"in turn":             {[]porcupine.Operation{{Input: swap{2}, Output: swapped{3}, Return: 1}, {Input: swap{3}, Output: swapped{4}, Call: 2, Return: 3}}, true},
		"both win":            {[]porcupine.Operation{{Input: swap{2}, Output: swapped{3}, Return: 5}, {Input: swap{2}, Output: swapped{3}, Return: 5}}, false},
		"refused for nothing": {[]porcupine.Operation{{Input: swap{2}, Output: swapped{0}, Return: 1}}, false},
		"a revision skipped":  {[]porcupine.Operation{{Input: swap{2}, Output: swapped{4}, Return: 1}}, false},
	} {
		if got := porcupine.CheckOperations(register, c.operations); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

// TestF10 has many publishers, on two control planes, who all want to be next.
func TestF10(t *testing.T) {
	t.Parallel()
	const publishers, attempts = 16, 12
	s := setup(t, fleet.Options{ControlPlanes: 2})
	var mu sync.Mutex
	var operations []porcupine.Operation
	var wait sync.WaitGroup
	began := time.Now()
	errs := make(chan error, publishers)
	for i := range publishers {
		admin := s.Admin.At(i % 2)
		wait.Go(func() {
			at := int64(2)
			for n := range attempts {
				call := time.Since(began).Nanoseconds()
				revision, err := admin.Apply(t.Context(), &adminv1.RevisionServiceApplyRequest{
					ExpectedRevision: new(at), Changes: fieldChange("f" + string(rune('a'+i)) + string(rune('a'+n))),
				})
				end := time.Since(began).Nanoseconds()
				if err != nil && connect.CodeOf(err) != connect.CodeAborted {
					errs <- err
					return
				}
				mu.Lock()
				operations = append(operations, porcupine.Operation{ClientId: i, Input: swap{at}, Output: swapped{revision}, Call: call, Return: end})
				mu.Unlock()
				if at = revision; err != nil {
					if at, err = s.Head(t.Context()); err != nil {
						errs <- err
						return
					}
				}
			}
		})
	}
	wait.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	won := 0
	for _, o := range operations {
		if o.Output.(swapped).revision > 0 {
			won++
		}
	}
	t.Logf("%d of %d attempts have won", won, len(operations))
	if result := porcupine.CheckOperationsTimeout(register, operations, 30*time.Second); result != porcupine.Ok {
		t.Errorf("the history is not linearizable: %v", result)
	}
	s.Check(5*time.Second, limits)
}
