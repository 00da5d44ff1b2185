package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/strata-exp/strata/internal/rpc"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

const (
	contentTimeout = 5 * time.Second
	// envelopeBytes is what gRPC puts before a message.
	envelopeBytes = 5
	// maxGrow bounds the memory that is taken for what is only announced.
	maxGrow = 128 << 10
	// maxHeaderBytes is how long a header of a signature may be.
	maxHeaderBytes = 1024
)

// signedRequest is what a signature says of a request, and what the request says
// of itself.
type signedRequest struct {
	request      *http.Request
	input, value string
	message      accesskey.Message
}

// read finds the signature of a request.
func read(r *http.Request) (*signedRequest, *failure) {
	if r.Header[accesskey.HeaderInput] == nil && r.Header[accesskey.HeaderSignature] == nil {
		return nil, unauthenticated(causeUnsigned, "", "the call is not signed: give the client an access key, by %s and %s",
			accesskey.AccessKeyVariable, accesskey.SecretKeyVariable)
	}
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return nil, unauthenticated(causeForm, "a query", "a signed call has no query: send it by POST")
	}
	s := &signedRequest{request: r}
	var failed *failure
	if s.input, failed = only(r, accesskey.HeaderInput); failed != nil {
		return nil, failed
	}
	if s.value, failed = only(r, accesskey.HeaderSignature); failed != nil {
		return nil, failed
	}
	return s, nil
}

// read reads what signatures of a profile cover.
func (s *signedRequest) read(profile accesskey.Profile) (failed *failure) {
	if s.message.Audience, failed = only(s.request, accesskey.HeaderAudience); failed != nil || profile == accesskey.Session {
		return failed
	}
	s.message.Method, s.message.Path = s.request.Method, s.request.URL.EscapedPath()
	if s.message.ContentType, failed = only(s.request, "Content-Type"); failed != nil {
		return failed
	}
	s.message.Digest, failed = only(s.request, accesskey.HeaderDigest)
	return failed
}

// only returns a header that is there once and is not too long.
func only(r *http.Request, name string) (string, *failure) {
	values := r.Header[name]
	if len(values) != 1 || len(values[0]) > maxHeaderBytes {
		return "", unauthenticated(causeForm, fmt.Sprintf("%d of %s", len(values), name),
			"the call is not signed as it has to be: want one header %s of at most %d bytes", name, maxHeaderBytes)
	}
	return values[0], nil
}

// content reads the whole content, and holds it against its digest, which the
// signature covers.
func (a *Authenticator) content(w http.ResponseWriter, r *http.Request) ([]byte, *failure) {
	most := a.MaxContent
	if most <= 0 {
		most = rpc.MaxRequestBytes
	}
	tooLarge := &failure{causeContent, rpc.Invalidf("body", "larger than %d MiB", most>>20), "too large"}
	if r.ContentLength > most+envelopeBytes {
		return nil, tooLarge
	}
	timeout := a.ContentTimeout
	if timeout <= 0 {
		timeout = contentTimeout
	}
	// Where there are no deadlines, as in tests, there is no bound.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(timeout))
	var b bytes.Buffer
	b.Grow(int(min(max(r.ContentLength, 0), maxGrow)) + bytes.MinRead)
	if _, err := b.ReadFrom(io.LimitReader(r.Body, most+envelopeBytes+1)); err != nil {
		// net/http ends the context of a request that came too late too.
		if ended := r.Context().Err(); ended != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, &failure{causeContent, fmt.Errorf("%w: %w", ended, err), err.Error()}
		}
		return nil, &failure{causeContent, rpc.Invalidf("body", "it can not be read: it is malformed, or took too long"), err.Error()}
	}
	if int64(b.Len()) > most+envelopeBytes {
		return nil, tooLarge
	}
	// All has arrived. The deadline would end what comes after.
	_ = control.SetReadDeadline(time.Time{})
	if digest := r.Header[accesskey.HeaderDigest]; accesskey.Digest(b.Bytes()) != digest[0] {
		return nil, unauthenticated(causeContent, "another digest", "the content is not what was signed: its digest is not the one of %s", accesskey.HeaderDigest)
	}
	return b.Bytes(), nil
}

// setContent gives a copy of a request the content that was read.
func setContent(r *http.Request, content []byte) {
	r.ContentLength, r.TransferEncoding = int64(len(content)), nil
	if len(content) == 0 {
		r.Body = http.NoBody
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
}
