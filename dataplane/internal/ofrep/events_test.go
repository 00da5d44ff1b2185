package ofrep

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	for streams, want := range map[int]time.Duration{1: 0, fewStreams: 0, 1000: 200 * time.Millisecond, maxStreams: time.Second} {
		if got := spread(streams); got != want {
			t.Errorf("%d streams: got %v, want %v", streams, got, want)
		}
	}
}

// TestManyAreToldOneAfterTheOther within a second, and a few at once.
func TestManyAreToldOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := direct(t, func(c *Config) { c.Heartbeat = time.Hour })
		ctx, cancel := context.WithCancel(t.Context())
		const readers = 50
		answers := make([]*httptest.ResponseRecorder, readers)
		for i := range answers {
			answers[i] = httptest.NewRecorder()
			go s.events(answers[i], httptest.NewRequestWithContext(ctx, http.MethodGet, eventsPath, nil))
		}
		synctest.Wait()
		told := func() (n int) {
			synctest.Wait()
			for _, w := range answers {
				n += strings.Count(w.Body.String(), "refetchEvaluation")
			}
			return n
		}
		s.publish(t, 2)
		if got := told(); got != readers {
			t.Errorf("%d of %d were told at once", got, readers)
		}
		for range maxStreams - readers { // places of readers who are not looked at
			s.streams <- struct{}{}
		}
		s.publish(t, 3)
		<-time.After(time.Second / 2) // of the bubble
		if got := told() - readers; got == 0 || got == readers {
			t.Errorf("%d of %d were told after half the time", got, readers)
		}
		s.publish(t, 4) // which comes with the one before to those who are not told yet
		<-time.After(2 * time.Second)
		told()
		retries := map[string]bool{}
		for i, w := range answers {
			text := w.Body.String()
			if !strings.Contains(text, "id: 1-4\n") || strings.Index(text, "id: 1-4\n") < strings.Index(text, "id: 1-3\n") {
				t.Errorf("reader %d was told %q", i, text)
			}
			retry, _, _ := strings.Cut(text, "\n")
			retries[retry] = true
		}
		if len(retries) < 2 {
			t.Errorf("all should come back at the same time: %v", retries)
		}
		s.publish(t, 5)
		synctest.Wait()
		cancel() // ends streams that are about to be told, too
		synctest.Wait()
		if got := len(s.streams); got != maxStreams-readers {
			t.Errorf("%d streams are left open", got-(maxStreams-readers))
		}
	})
}
