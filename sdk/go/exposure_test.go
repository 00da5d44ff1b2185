package strata

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/engine"
)

// sent closes a client and returns what it has sent, as text, in order.
func (s *server) sent(c *Client) (exposures, events []string) {
	s.t.Helper()
	if err := c.Close(); err != nil {
		s.t.Error(err)
	}
	ids := map[string]bool{}
	for len(s.recorded) > 0 {
		r := <-s.recorded
		if r.GetClient() != software() {
			s.t.Errorf("the client is %q", r.GetClient())
		}
		for _, x := range r.GetExposures() {
			ids[x.GetInsertId()] = true
			exposures = append(exposures, describe(x))
		}
		for _, x := range r.GetEvents() {
			ids[x.GetInsertId()] = true
			events = append(events, describeEvent(s.t, x))
		}
	}
	if len(ids) != len(exposures)+len(events) {
		s.t.Error("insert ids are repeated")
	}
	return exposures, events
}

// await returns once a client has a revision.
func await(c *Client, told <-chan string, revision int64) {
	for c.Status().Revision < revision {
		<-told
	}
}

func describe(x *servingv1.Exposure) string {
	if x.GetSlot() != engine.Slot(x.GetLayerId()+"_v1", x.GetKey()) || x.GetTime().AsTime().IsZero() || x.GetEpoch() != 5 {
		return fmt.Sprintf("wrong: %v", x)
	}
	return fmt.Sprintf("%s %s=%s %s/%d/%d r%d %q hidden=%v", x.GetService(), x.GetHashKey(), x.GetKey(), x.GetLayerId(), x.GetEid(), x.GetVid(),
		x.GetRevision(), x.GetPath(), x.GetHidden())
}

func describeEvent(t *testing.T, x *servingv1.Event) string {
	t.Helper()
	value := "none"
	if x.Value != nil {
		value = fmt.Sprint(x.GetValue())
	}
	properties, err := json.Marshal(x.GetProperties().AsMap())
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("%s %v %s %s", x.GetName(), x.GetUnits(), value, properties)
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%q\nwant\n%q", what, got, want)
	}
}

func TestExposures(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.demo(1)
	c := s.client()
	e := c.Evaluate("svc", fromTheUS)
	e.GetString("nobody", "") // sets nothing, exposes nobody
	e.GetString("a", "")      // of both, the lower one hidden
	e.GetString("a", "")
	e.GetInt("count", 0) // the lower layer's alone, which is not hidden there
	e.GetInt("count", 0)
	e.GetString("text", "") // the same variant
	e.Lookup("obj")         // of both
	e.GetString("a", "")    // hidden again, of which nobody need be told
	longPath := "a." + strings.Repeat("x", 4096)
	c.Evaluate("svc", Context{"user_id": strings.Repeat("u", 4097)}).GetInt("count", 0)
	c.Evaluate("svc", Context{"user_id": "\xff"}).GetInt("count", 0)
	c.Evaluate("svc", Context{"user_id": 78}).GetString(longPath, "")
	if got := c.Status().Dropped; got < 3 {
		t.Errorf("%d dropped, want all that no server takes", got)
	}
	c.Evaluate("svc", fromTheUS)      // reads nothing
	c.Explain("svc", fromTheUS)       // is for people
	c.Evaluate("svc", nil).Lookup("") // nobody

	told := changes(c)
	s.publish(2, experiment(t, 30, 31, `{"z":1}`, nil)) // has no traffic, and changes no window
	s.publish(3, layer(t, "third", 300, 31))
	await(c, told, 3)
	e = c.Evaluate("svc", Context{"user_id": "user_12345", "country": "US"})
	e.GetInt("count", 0)
	e.GetInt("z", 0)
	s.publish(4, experiment(t, 10, 11, `{"count":43}`, nil)) // is another window
	await(c, told, 4)
	c.Evaluate("svc", fromTheUS).GetInt("count", 0)
	c.Evaluate("svc", Context{"user_id": 77}).GetInt("count", 0)
	c.Evaluate("svc", Context{"user_id": "77"}).GetInt("count", 0) // the same user

	exposures, _ := s.sent(c)
	expect(t, "exposures", exposures,
		`svc user_id=user_12345 upper/20/21 r1 "a" hidden=false`,
		`svc user_id=user_12345 lower/10/11 r1 "a" hidden=true`,
		`svc user_id=user_12345 lower/10/11 r1 "count" hidden=false`,
		`svc user_id=user_12345 third/30/31 r3 "z" hidden=false`,
		`svc user_id=user_12345 lower/10/11 r4 "count" hidden=false`,
		`svc user_id=77 lower/10/11 r4 "count" hidden=false`,
	)
	before := c.Status().Dropped
	e.GetString("a", "") // after the end: a user whom nobody was told of
	c.Evaluate("svc", Context{"user_id": "late"}).GetInt("count", 0)
	if status := c.Status(); status.Dropped != before+1 {
		t.Errorf("%d dropped, want the one that came after Close", status.Dropped-before)
	}
}

// TestExposuresThatWereDropped are recorded once there is room.
func TestExposuresThatWereDropped(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.demo(1)
	c := s.client()
	full := make([]entry, maxWaiting)
	c.outbox.mu.Lock()
	c.outbox.waiting = full
	c.outbox.mu.Unlock()
	e := c.Evaluate("svc", fromTheUS)
	e.GetInt("count", 0)
	if got := c.Status().Dropped; got != 1 {
		t.Errorf("%d dropped, want 1", got)
	}
	c.outbox.mu.Lock()
	c.outbox.waiting = nil
	c.outbox.mu.Unlock()
	e.GetInt("count", 0)
	e.GetInt("count", 0)
	exposures, _ := s.sent(c)
	expect(t, "exposures", exposures, `svc user_id=user_12345 lower/10/11 r1 "count" hidden=false`)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s := serve(t)
	s.demo(1)
	c := s.client()
	c.Record(Event{Name: "checkout", Context: Context{"user_id": 12, "secret": "s"}, Value: new(9.5), Properties: map[string]any{"n": 1}})
	c.Record(Event{Name: "seen", Context: fromTheUS})
	c.Record(Event{Name: "HTML", Context: fromTheUS, Properties: map[string]any{"s": strings.Repeat("<", maxPropertiesBytes-8)}})
	for _, bad := range []Event{
		{Context: fromTheUS},
		{Name: string(make([]byte, 257)), Context: fromTheUS},
		{Name: "\xff", Context: fromTheUS},
		{Name: "nobody"},
		{Name: "no key", Context: Context{"user_id": true, "country": "US"}},
		{Name: "no number", Context: fromTheUS, Value: new(math.NaN())},
		{Name: "no JSON", Context: fromTheUS, Properties: map[string]any{"f": func() {}}},
		{Name: "too much", Context: fromTheUS, Properties: map[string]any{"s": string(make([]byte, 17<<10))}},
	} {
		before := c.Status().Dropped
		c.Record(bad)
		if got := c.Status().Dropped; got != before+1 {
			t.Errorf("%.20q: %d dropped, want %d", bad.Name, got, before+1)
		}
	}
	_, events := s.sent(c)
	if n := len(events); n != 3 || !strings.HasPrefix(events[n-1], "HTML ") {
		t.Errorf("%d events, want the one of as many bytes as there may be", n)
	}
	expect(t, "events", events[:2],
		"checkout map[user_id:12] 9.5 {\"n\":1}",
		"seen map[user_id:user_12345] none {}",
	)
}

// TestMet fills what is remembered more than once.
func TestMet(t *testing.T) {
	t.Parallel()
	remembered := newMet()
	meet := func(i int) bool {
		return remembered.again(meeting{hash: remembered.hash(engine.StringValue(strconv.Itoa(i))), vid: 1})
	}
	const many = 3 * generation
	for i := range many {
		if meet(i) || !meet(i) {
			t.Fatalf("%d is new once", i)
		}
	}
	size := 0
	for i := range remembered.shards {
		size += len(remembered.shards[i].latest) + len(remembered.shards[i].previous)
	}
	if size > 2*generation {
		t.Errorf("%d are remembered, want at most %d", size, 2*generation)
	}
	lost := 0
	for i := many - generation*9/10; i < many; i++ { // as shards do not fill evenly
		if !meet(i) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of the latest are forgotten", lost)
	}
	if meet(0) {
		t.Error("the first one is still remembered")
	}
}
