//go:build !race

package api

import "testing"

func TestEvaluateAllocatesLittle(t *testing.T) {
	s := setup(t, 10) // not parallel: others would be counted too
	data, dst := []byte(body), make([]byte, 0, 4096)
	allocations := testing.AllocsPerRun(1000, func() {
		if answer, err := call(s, data, dst); err != nil || len(answer) == 0 {
			t.Fatal(err)
		}
	})
	// The text, the request, its names, its attributes, the answer.
	if allocations > 5 {
		t.Errorf("%v allocations", allocations)
	}
}
