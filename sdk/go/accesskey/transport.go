package accesskey

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// renewal is how long before its end a session is no longer used, so that it
	// is still good when it arrives.
	renewal = time.Minute
	// maxCorrection bounds what a server can say of the time. One that is not who
	// it says to be must not get signatures for years to come.
	maxCorrection = 24 * time.Hour
	// maxDrain is how much of an answer is read to keep its connection.
	maxDrain = 64 << 10
)

// Transport signs each request and hands it on. Where a server answers that the
// time of a signature is not its own, the transport takes the difference of the
// clocks into account from then on, by up to a day, and sends the request once
// more.
//
// Requests must have no query, so Connect's GET can not be used, and no proxy
// may change their path. Redirects are not followed: what is behind them may be
// another server.
//
// Its fields must not be changed once it is in use. It is safe for concurrent
// use, and must not be copied.
type Transport struct {
	// Key signs.
	Key *Key
	// Audience names the server, as that is configured.
	Audience string
	// Sessions reports whether requests with this path are signed by a Session,
	// and not each by a Request of its own. Nil is none of them. The content of
	// all others is held in memory while they are sent.
	Sessions func(path string) bool
	// Next sends. Nil is http.DefaultTransport.
	Next http.RoundTripper
	// Now is the clock. Nil is time.Now.
	Now func() time.Time

	offset  atomic.Int64 // nanoseconds that the server's clock is ahead
	session atomic.Pointer[session]
}

// session is a signature that is used again.
type session struct {
	input, value string
	offset       int64     // of the clock that it was made with
	until        time.Time // by that clock
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	attempt, err := t.prepare(request)
	if err != nil {
		closeBody(request)
		return nil, err
	}
	first, err := attempt()
	if err != nil {
		closeBody(request)
		return nil, err
	}
	response, err := t.next().RoundTrip(first)
	if err != nil || !t.correct(response) {
		return response, err
	}
	second, err := attempt()
	if err != nil {
		return response, nil //nolint:nilerr // the first answer stands, and says what is wrong
	}
	_, _ = io.CopyN(io.Discard, response.Body, maxDrain)
	_ = response.Body.Close()
	return t.next().RoundTrip(second)
}

// CloseIdleConnections passes the wish of an http.Client on.
func (t *Transport) CloseIdleConnections() {
	if next, ok := t.next().(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

func (t *Transport) next() http.RoundTripper {
	if t.Next != nil {
		return t.Next
	}
	return http.DefaultTransport
}

// now returns the time by the server's clock, as far as it is known, and the
// offset that it was made with.
func (t *Transport) now() (time.Time, int64) {
	clock := time.Now
	if t.Now != nil {
		clock = t.Now
	}
	offset := t.offset.Load()
	return clock().Add(time.Duration(offset)), offset
}

// correct reports whether a server does not agree on the time, and takes its
// word for it.
func (t *Transport) correct(response *http.Response) bool {
	if response.Header.Get(HeaderError) != ClockSkew {
		return false
	}
	millis, err := strconv.ParseInt(response.Header.Get(HeaderServerTime), 10, 64)
	if err != nil || millis < 0 || millis > maxTime*1000 {
		return false
	}
	now, offset := t.now()
	offset += int64(time.UnixMilli(millis).Sub(now))
	if time.Duration(offset).Abs() > maxCorrection {
		return false
	}
	t.offset.Store(offset)
	return true
}

// prepare returns what makes a signed copy of a request, each time it is called.
func (t *Transport) prepare(request *http.Request) (attempt func() (*http.Request, error), err error) {
	switch {
	case t.Key == nil:
		return nil, errors.New("a transport without a key can not sign")
	case request.URL.RawQuery != "" || request.URL.ForceQuery || request.URL.Opaque != "":
		return nil, errors.New("a request with a query can not be signed: send the call by POST")
	case request.Response != nil:
		return nil, errors.New("a signed request is not redirected: use the server's own address")
	case t.Sessions != nil && t.Sessions(path(request)):
		return t.prepareSession(request), nil
	default:
		return t.prepareRequest(request)
	}
}

// prepareRequest reads the content, which is covered by the signature.
func (t *Transport) prepareRequest(request *http.Request) (func() (*http.Request, error), error) {
	var content []byte
	if request.Body != nil {
		var err error
		if content, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		if err := request.Body.Close(); err != nil {
			return nil, err
		}
	}
	method := request.Method
	if method == "" {
		method = http.MethodGet // as net/http has it
	}
	message := Message{
		Method: method, Path: path(request), ContentType: request.Header.Get("Content-Type"),
		Digest: Digest(content), Audience: t.Audience,
	}
	body := func() io.ReadCloser {
		if len(content) == 0 {
			return http.NoBody
		}
		return io.NopCloser(bytes.NewReader(content))
	}
	return func() (*http.Request, error) {
		now, _ := t.now()
		signature, err := t.Key.Sign(Params{
			Profile: Request, Created: now.Unix(), Expires: now.Add(RequestLifetime).Unix(),
		}, message)
		if err != nil {
			return nil, err
		}
		signed := t.signed(request, signature.Input(), signature.Text())
		signed.Header[HeaderDigest] = []string{message.Digest}
		signed.Body, signed.GetBody = body(), func() (io.ReadCloser, error) { return body(), nil }
		signed.ContentLength, signed.TransferEncoding = int64(len(content)), nil
		return signed, nil
	}, nil
}

// prepareSession leaves the content alone. It can be sent again only if the
// caller has said how.
func (t *Transport) prepareSession(request *http.Request) func() (*http.Request, error) {
	first, sent := true, (*guard)(nil)
	return func() (*http.Request, error) {
		s, err := t.currentSession()
		if err != nil {
			return nil, err
		}
		signed := t.signed(request, s.input, s.value)
		switch {
		case request.Body == nil || request.Body == http.NoBody:
		case first && request.GetBody != nil:
			sent = &guard{body: request.Body}
			signed.Body = sent
		case first: // and only: guarded, a Read that blocks could not be ended by Close
		case sent == nil:
			return nil, errors.New("the content can not be sent again")
		default:
			sent.stop()
			if signed.Body, err = request.GetBody(); err != nil {
				return nil, err
			}
		}
		first = false
		return signed, nil
	}
}

// currentSession returns a session that is good for a while.
func (t *Transport) currentSession() (*session, error) {
	now, offset := t.now()
	if s := t.session.Load(); s != nil && s.offset == offset && now.Before(s.until) &&
		s.until.Sub(now) <= SessionLifetime { // or the clock was set back
		return s, nil
	}
	expires := now.Add(SessionLifetime).Truncate(time.Second)
	signature, err := t.Key.Sign(Params{
		Profile: Session, Created: expires.Add(-SessionLifetime).Unix(), Expires: expires.Unix(),
	}, Message{Audience: t.Audience})
	if err != nil {
		return nil, err
	}
	s := &session{input: signature.Input(), value: signature.Text(), offset: offset, until: expires.Add(-renewal)}
	t.session.Store(s) // that two may do so at once costs no more than a signature
	return s, nil
}

// signed returns a copy of a request with the headers of a signature.
func (t *Transport) signed(request *http.Request, input, value string) *http.Request {
	signed := request.Clone(request.Context())
	if signed.Header == nil {
		signed.Header = http.Header{}
	}
	signed.Header.Del(HeaderDigest)
	signed.Header[HeaderAudience] = []string{t.Audience}
	signed.Header[HeaderInput] = []string{input}
	signed.Header[HeaderSignature] = []string{value}
	return signed
}

// path returns the path as it is sent.
func path(request *http.Request) string {
	if escaped := request.URL.EscapedPath(); escaped != "" {
		return escaped
	}
	return "/"
}

func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}
