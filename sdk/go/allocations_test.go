//go:build !race

package strata

import "testing"

// TestAllocations holds the promises of Evaluate and of the ways to read: where
// all was seen before, they allocate nothing. The race detector makes sync.Pool
// forget at random, so it runs without.
func TestAllocations(t *testing.T) {
	s := serve(t)
	s.demo(1)
	c := s.client()
	user := Context{"user_id": "user_12345", "country": "US", "age": 30, "premium": true}
	number := Context{"user_id": 12345, "country": "US"}
	e, other := c.Evaluate("svc", user), c.Evaluate("svc", number)
	for what, f := range map[string]func(){
		"Evaluate":                 func() { c.Evaluate("svc", user) },
		"Evaluate without context": func() { c.Evaluate("svc", nil) },
		"GetString":                func() { e.GetString("a", "") },
		"GetString with escapes":   func() { e.GetString("text", "") },
		"GetBool":                  func() { e.GetBool("on", false) },
		"GetInt":                   func() { e.GetInt("count", 0) },
		"GetFloat":                 func() { e.GetFloat("ratio", 0) },
		"GetInt below an object":   func() { e.GetInt("obj.n", 0) },
		"a default":                func() { e.GetInt("nobody", 0) },
		"a fraction for an int":    func() { e.GetInt("ratio", 0) },
		"a string for a float":     func() { e.GetFloat("a", 0) },
		"a key that is a number":   func() { other.GetString("a", "") },
	} {
		f()
		if got := testing.AllocsPerRun(1000, f); got != 0 {
			t.Errorf("%s: %v allocations, want none", what, got)
		}
	}
}
