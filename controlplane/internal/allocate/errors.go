package allocate

import (
	"fmt"
	"strings"
	"time"
)

// InputError is a request that breaks a limit or contradicts itself.
type InputError struct {
	// Field leads to the value at fault, such as "targets[1].vid".
	Field string
	// Problem says what is wrong there, and what would be right.
	Problem string
}

func (e *InputError) Error() string { return e.Field + ": " + e.Problem }

func invalid(field, problem string, args ...any) *InputError {
	return &InputError{Field: field, Problem: fmt.Sprintf(problem, args...)}
}

// Shortage says that a layer has too few free slots. Its numbers count slots.
type Shortage struct {
	// Wanted is how many the experiment is to grow by. What its variants give up
	// for each other is not in it.
	Wanted int32
	// Free is how many it may take, fewer than Wanted: with those that rest
	// after itself, and with those that rest after others if the request ignores
	// that.
	Free int32
	// Resting is how many rest after others, where the request does not ignore
	// that.
	Resting int32
	// NextFree is when the first of them have rested, and EnoughFree when so
	// many have that Wanted can be met. They are zero if that is not known, and
	// EnoughFree if waiting does not help.
	NextFree, EnoughFree time.Time
	// Held is how many are kept for paused experiments, and Holders are these,
	// sorted.
	Held    int32
	Holders []int32
}

func (e *Shortage) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d more slots are wanted and %d are free", e.Wanted, e.Free)
	advice := []string{fmt.Sprintf("ask for %d fewer", e.Wanted-e.Free)}
	if e.Resting > 0 {
		fmt.Fprintf(&b, "; %d rest after other experiments", e.Resting)
		if !e.NextFree.IsZero() {
			fmt.Fprintf(&b, ", the first until %s", e.NextFree.UTC().Format(time.RFC3339))
		}
		if !e.EnoughFree.IsZero() {
			advice = append(advice, "wait until "+e.EnoughFree.UTC().Format(time.RFC3339))
		}
		advice = append(advice, "take slots that rest")
	}
	if e.Held > 0 {
		fmt.Fprintf(&b, "; %d are held for paused experiments (%s)", e.Held, list(e.Holders))
		advice = append(advice, "conclude a paused experiment")
	}
	advice = append(advice, "give another experiment fewer")
	last := len(advice) - 1
	fmt.Fprintf(&b, ". You can %s or %s", strings.Join(advice[:last], ", "), advice[last])
	return b.String()
}

// list writes the first few of some ids.
func list(ids []int32) string {
	const few = 5
	var b strings.Builder
	for i, id := range ids {
		switch {
		case i == few:
			fmt.Fprintf(&b, " and %d others", len(ids)-few)
			return b.String()
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprint(&b, id)
	}
	return b.String()
}
