package ofrep

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// Codes of OpenFeature.
const (
	codeParseError     = "PARSE_ERROR"
	codeInvalidContext = "INVALID_CONTEXT"
	codeFlagNotFound   = "FLAG_NOT_FOUND"
	codeGeneral        = "GENERAL"
)

func parseError(format string, args ...any) *failure {
	return &failure{http.StatusBadRequest, codeParseError, fmt.Sprintf(format, args...)}
}

func invalidContext(format string, args ...any) *failure {
	return &failure{http.StatusBadRequest, codeInvalidContext, fmt.Sprintf(format, args...)}
}

func refused(format string, args ...any) *failure {
	return &failure{http.StatusBadRequest, codeGeneral, fmt.Sprintf(format, args...)}
}

func notFound() *failure {
	return &failure{
		http.StatusNotFound, codeFlagNotFound,
		"no variant of any service sets this: the key is the name of a service, a dot and the path of a parameter",
	}
}

func overloaded() *failure {
	return &failure{http.StatusTooManyRequests, codeGeneral, "too many at once: come back later"}
}

func notReady() *failure {
	return &failure{
		http.StatusInternalServerError, codeGeneral,
		"this data plane has no configuration yet: retry later, or ask another one",
	}
}

// retryAfter is for how many seconds a caller should stay away who is one too
// many.
const retryAfter = "1"

// refuse answers a failure: with its key, if it is of one.
func (h *Handler) refuse(w http.ResponseWriter, key string, f *failure) {
	if f.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", retryAfter)
	}
	dst := []byte{'{'}
	if key != "" {
		dst = appendMember(dst, "key", strings.ToValidUTF8(key, "\uFFFD"))
		dst = append(dst, ',')
	}
	dst = appendMember(dst, "errorCode", f.code)
	dst = append(dst, ',')
	dst = appendMember(dst, "errorDetails", strings.ToValidUTF8(f.detail, "\uFFFD"))
	h.write(w, f.status, append(dst, '}'))
}

func (h *Handler) write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:gosec // it is no HTML; and a client that has gone hears nothing anyway
}

// faulty turns an error that should not be into what a caller may see: a reference
// to the log.
func (h *Handler) faulty(ctx context.Context, procedure string, err error) *failure {
	return &failure{http.StatusInternalServerError, codeGeneral, h.config.Edge.Coded(ctx, procedure, err).Message()}
}

// code is what metrics call a failure.
func (f *failure) connectCode() connect.Code {
	switch {
	case f == nil:
		return 0
	case f.status == http.StatusNotFound:
		return connect.CodeNotFound
	case f.status == http.StatusTooManyRequests:
		return connect.CodeResourceExhausted
	case f.status == http.StatusBadRequest:
		return connect.CodeInvalidArgument
	default:
		return connect.CodeInternal
	}
}

func appendString(dst []byte, s string) []byte { return engine.StringValue(s).AppendJSON(dst) }

// appendMember appends a member of an object whose name needs no escapes.
func appendMember(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, '"'), name...), `":`...)
	return appendString(dst, value)
}
