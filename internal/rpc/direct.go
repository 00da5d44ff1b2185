package rpc

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Direct stands before the handler of a unary procedure and answers the plainest
// of its calls itself: JSON by POST, of known and modest length, not compressed
// and without a deadline. For a call that takes microseconds the framework would
// cost more than the call itself. All other calls go to the handler, which
// answers them with the same functions and to the same effect.
type Direct[Request, Answer any] struct {
	Edge      *Edge
	Procedure string
	// Decode reads a request from text, and keeps in it what is wrong with it.
	Decode func(text string, request *Request)
	// Call answers.
	Call func(context.Context, *Request) (*Answer, error)
	// Append appends the answer as JSON.
	Append func(dst []byte, answer *Answer) []byte
	// Next is the handler.
	Next http.Handler
}

// maxDirectBytes is how long a request may be that is read in one piece. Its
// memory is taken before it arrives, so that clients that announce much and send
// nothing must not get more.
const maxDirectBytes = 128 << 10

// jsonType is shared by all answers: net/http only reads it.
var jsonType = []string{"application/json"}

// ServeHTTP implements http.Handler.
func (d *Direct[Request, Answer]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !plain(r) {
		d.Next.ServeHTTP(w, r)
		return
	}
	m, ok := d.Edge.memory.Get().(*memory)
	if !ok {
		m = &memory{gzip: gzip.NewWriter(io.Discard)}
	}
	defer d.Edge.recycle(m)
	if err := d.answer(r, m); err != nil {
		d.Edge.answer(w, r, d.Procedure, err)
		return
	}
	d.Edge.Observe(d.Procedure, 0)
	w.Header()["Content-Type"] = jsonType
	m.write(w, takesGzip(r))
}

// takesGzip reports whether a client accepts gzip, as the framework reads it.
func takesGzip(r *http.Request) bool {
	for name := range strings.SplitSeq(header(r, "Accept-Encoding"), ",") {
		if strings.TrimSpace(name) == "gzip" {
			return true
		}
	}
	return false
}

// plain reports whether a call has nothing that only the framework knows.
func plain(r *http.Request) bool {
	return r.Method == http.MethodPost && r.ContentLength > 0 && r.ContentLength <= maxDirectBytes &&
		header(r, "Content-Type") == jsonType[0] && header(r, "Content-Encoding") == "" &&
		header(r, "Connect-Timeout-Ms") == "" && checkProtocol(r) == nil
}

// answer leaves the answer in m.out.
func (d *Direct[Request, Answer]) answer(r *http.Request, m *memory) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = panicked(fault)
		}
	}()
	m.in = slices.Grow(m.in[:0], int(r.ContentLength))[:r.ContentLength]
	if _, err := io.ReadFull(r.Body, m.in); err != nil {
		return unreadable(r.Context(), err)
	}
	request := new(Request)
	d.Decode(string(m.in), request)
	answer, err := d.Call(r.Context(), request)
	if err != nil {
		return err
	}
	m.out = d.Append(m.out[:0], answer)
	return nil
}

// memory is what one call needs and the next one can use again.
type memory struct {
	in, out []byte
	gzip    *gzip.Writer
}

// write writes the answer. A client that has gone hears nothing, and there is
// nobody to tell.
func (m *memory) write(w http.ResponseWriter, compress bool) {
	if len(m.out) < minCompressBytes || !compress {
		w.Header().Set("Content-Length", strconv.Itoa(len(m.out)))
		_, _ = w.Write(m.out)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	m.gzip.Reset(w)
	_, _ = m.gzip.Write(m.out)
	_ = m.gzip.Close()
	m.gzip.Reset(io.Discard)
}

func (e *Edge) recycle(m *memory) {
	const most = 1 << 20 // one large call should not hold its memory for ever
	if cap(m.in) <= most && cap(m.out) <= most {
		e.memory.Put(m)
	}
}
