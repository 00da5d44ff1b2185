package ofrep

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/strata-exp/strata/dataplane/internal/snapshot"
)

const (
	// sinceParameter of an event stream is what its reader has, so that it is told of
	// what changed before the stream began.
	sinceParameter = "since"
	// writeTimeout is how long an event may take to be read. Who takes longer is cut
	// off.
	writeTimeout = 10 * time.Second
	// Readers whose streams have ended should come back after a random time between
	// these: the end of a data plane is that of all its streams.
	reconnectMin, reconnectMax = 2 * time.Second, 4 * time.Second
)

// Readers are told of a change one after the other, as each of them fetches anew:
// within a time that grows with their number, so that about as many come each
// second as there are at most. A few are told at once.
const (
	fewStreams = 100
	perStream  = time.Second / maxStreams
)

// spread is the time within which so many readers are told of a change.
func spread(streams int) time.Duration {
	if streams <= fewStreams {
		return 0
	}
	return time.Duration(streams) * perStream
}

// events tells a reader, as server-sent events, whenever something else runs than
// it has.
func (h *Handler) events(w http.ResponseWriter, r *http.Request) {
	select {
	case h.streams <- struct{}{}:
		defer func() { <-h.streams }()
	default:
		h.config.Edge.Observe(eventsPath, overloaded().connectCode())
		h.refuse(w, "", overloaded())
		return
	}
	h.config.Edge.Observe(eventsPath, 0)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return
	}
	s := stream{w: w, control: http.NewResponseController(w), has: r.URL.Query().Get(sinceParameter)}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		s.has = last
	}
	s.run(r, h)
}

// stream is one reader.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	has     string             // the position that the reader has; empty if it has not said
	told    *snapshot.Snapshot // what it was told of last, or has
}

func (s *stream) run(r *http.Request, h *Handler) {
	retry := (reconnectMin + rand.N(reconnectMax-reconnectMin)).Milliseconds()
	if s.send("retry: "+strconv.FormatInt(retry, 10)+"\n\n") != nil {
		return
	}
	heartbeat := time.NewTicker(h.config.Heartbeat)
	defer heartbeat.Stop()
	for {
		changed := h.config.Holder.Changed()
		if running := h.config.Holder.Current(); running != nil && running != s.told {
			if s.tell(running) != nil {
				return
			}
		}
		var err error
		select {
		case <-changed:
			if !pause(r.Context(), spread(len(h.streams))) {
				return
			}
		case <-heartbeat.C:
			err = s.send(":\n\n")
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// pause waits for a random time below most. It returns false if the context ends
// before.
func pause(ctx context.Context, most time.Duration) bool {
	if most <= 0 {
		return true
	}
	timer := time.NewTimer(rand.N(most))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tell tells the reader of what runs, unless it is what it has.
func (s *stream) tell(running *snapshot.Snapshot) error {
	first := s.told == nil
	s.told = running
	at := positionOf(running).String()
	if first && (s.has == "" || s.has == at) {
		return nil
	}
	return s.send("id: " + at + "\nevent: message\ndata: " +
		`{"type":"refetchEvaluation","etag":"` + at + `","lastModified":` + strconv.FormatInt(running.LoadedAt.Unix(), 10) + "}\n\n")
}

func (s *stream) send(text string) error {
	// Where deadlines are not supported, there is none.
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := s.w.Write([]byte(text))
	if err == nil {
		err = s.control.Flush()
	}
	_ = s.control.SetWriteDeadline(time.Time{}) // over HTTP/2 it would end the stream though nothing is sent
	return err
}
