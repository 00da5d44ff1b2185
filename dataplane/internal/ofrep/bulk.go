package ofrep

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/strata-exp/strata/sdk/go/engine"
	"github.com/strata-exp/strata/sdk/go/engine/jsonscan"
)

// Limits of one bulk evaluation.
const (
	maxServices    = 100 // that a request may name
	maxFlags       = 10_000
	maxAnswerBytes = 16 << 20
)

// catchUp is how long a caller waits who was told of a newer configuration than
// the one that runs here.
const catchUp = 2 * time.Second

// bulk evaluates all flags of some services.
func (h *Handler) bulk(w http.ResponseWriter, r *http.Request) *failure {
	h.await(r)
	asked, failed := services(r)
	if failed != nil {
		return failed
	}
	text, failed := read(w, r)
	if failed != nil {
		return failed
	}
	leave, ok := h.begin()
	if !ok {
		return overloaded()
	}
	defer leave()
	context, failed := h.context(text)
	if failed != nil {
		return failed
	}
	c := h.catalog()
	if c == nil {
		return notReady()
	}
	if asked == nil {
		asked = c.services
	}
	stale := h.stale()
	etag := etagOf(positionOf(c.running), stale, asked, context)
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	b := bulkAnswer{catalog: c, dst: []byte(`{"flags":[`)}
	for _, service := range asked {
		switch {
		case r.Context().Err() != nil:
			return nil // nobody reads it any more
		case !c.known[service]:
			b.unknown(service)
		default:
			b.service(h.evaluate(c.running, service, context, stale))
		}
		if b.over() {
			w.Header().Del("ETag")
			return refused("the answer has more than %d flags, or is larger than %d MiB: name fewer services in the header %s",
				maxFlags, maxAnswerBytes>>20, ServicesHeader)
		}
	}
	h.write(w, http.StatusOK, b.end())
	return nil
}

// services returns the services that a request names, nil if it names none.
func services(r *http.Request) ([]string, *failure) {
	var names []string
	for _, line := range r.Header.Values(ServicesHeader) {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.TrimSpace(name)
			if name == "" || len(name) > maxServiceBytes {
				return nil, refused("the header %s: want names of 1 to %d bytes, got one of %d", ServicesHeader, maxServiceBytes, len(name))
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			if len(names) > maxServices {
				return nil, refused("the header %s: want at most %d names, got more", ServicesHeader, maxServices)
			}
		}
	}
	return names, nil
}

// await waits, but not for long, for the configuration that an event has told a
// caller of: the stream may be that of another data plane. Only in one history can
// it be known that it will come. If too many wait already, it does not.
func (h *Handler) await(r *http.Request) {
	told, ok := parsePosition(r.URL.Query().Get("flagConfigEtag"))
	if !ok {
		return
	}
	select {
	case h.waiting <- struct{}{}:
		defer func() { <-h.waiting }()
	default:
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), catchUp)
	defer cancel()
	for {
		changed := h.config.Holder.Changed()
		running := h.config.Holder.Current()
		if running == nil || running.Epoch != told.epoch || running.Revision() >= told.revision {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// bulkAnswer is an answer that grows.
type bulkAnswer struct {
	catalog *catalog
	dst     []byte
	flags   int
}

func (b *bulkAnswer) over() bool { return b.flags > maxFlags || len(b.dst) > maxAnswerBytes }

func (b *bulkAnswer) next() {
	if b.flags > 0 {
		b.dst = append(b.dst, ',')
	}
	b.flags++
}

// unknown adds a service that there is not.
func (b *bulkAnswer) unknown(service string) {
	b.next()
	b.dst = append(b.dst, '{')
	b.dst = appendMember(b.dst, "key", strings.ToValidUTF8(service, "\uFFFD"))
	b.dst = append(b.dst, ',')
	b.dst = appendMember(b.dst, "errorCode", codeFlagNotFound)
	b.dst = append(b.dst, ',')
	b.dst = appendMember(b.dst, "errorDetails", "no experiment of a service of this name")
	b.dst = append(b.dst, '}')
}

// service adds the flags of a service: of each object and each whole value in its
// parameters, and of what its matched experiments leave to the default.
func (b *bulkAnswer) service(e *evaluation) {
	b.flag(e, "")
	s := jsonscan.New(e.result.Parameters)
	b.object(e, &s, nil)
	for _, leaf := range e.running.Ruleset.Leaves(e.result) {
		if leaf.Winner < 0 && !b.over() {
			b.flag(e, leaf.Path)
		}
	}
}

// object adds what is in an object.
func (b *bulkAnswer) object(e *evaluation, s *jsonscan.Scanner, keys []string) {
	s.BeginObject()
	for {
		name, ok := s.NextKey()
		if !ok || b.over() {
			return
		}
		under := append(keys, name)                     //nolint:gocritic // each is done before the next one
		if path := engine.JoinPath(under); path != "" { // which is that of the whole
			b.flag(e, path)
		}
		if s.Kind() == jsonscan.Object {
			b.object(e, s, under)
		} else {
			s.Skip()
		}
	}
}

// flag adds one flag, unless its key is taken for one of another service.
func (b *bulkAnswer) flag(e *evaluation, path string) {
	if b.catalog.nested {
		if service, _, _ := b.catalog.find(keyOf(e.service, path)); service != e.service {
			return
		}
	}
	b.next()
	b.dst = e.appendFlag(b.dst, path)
}

// end returns the whole answer.
func (b *bulkAnswer) end() []byte {
	at := positionOf(b.catalog.running)
	e := evaluation{running: b.catalog.running}
	dst := e.appendMetadata(append(b.dst, ']'))
	dst = append(dst, `},"eventStreams":[{"type":"sse","endpoint":{`...)
	dst = appendMember(dst, "requestUri", eventsPath+"?"+sinceParameter+"="+at.String())
	return append(dst, `}}]}`...)
}
