package rpc

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// checkProtocol finds what is wrong with the frame of a request, so that these
// errors have a reason and a field like all others. What it lets pass, Connect
// still checks.
func checkProtocol(r *http.Request) error {
	if r.Method == http.MethodGet {
		if err := checkGet(r.URL.Query()); err != nil {
			return err
		}
	} else if v := header(r, "Connect-Protocol-Version"); v != "" && v != "1" {
		return Invalidf("Connect-Protocol-Version", "want 1, got %q", v)
	}
	return checkTimeout(r)
}

// checkTimeout looks at the deadline of a call, in either protocol.
func checkTimeout(r *http.Request) error {
	if v := header(r, "Connect-Timeout-Ms"); v != "" {
		if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < 0 || len(v) > 10 {
			return Invalidf("Connect-Timeout-Ms", "want at most 10 digits, got %q", v)
		}
	}
	if v := header(r, "Grpc-Timeout"); v != "" && !grpcTimeout(v) {
		return Invalidf("grpc-timeout", "want at most 8 digits and a unit, got %q", v)
	}
	return nil
}

// checkGet looks at the parameters of a call by GET.
func checkGet(query url.Values) error {
	if v := query.Get("connect"); v != "" && v != "v1" {
		return Invalidf("connect", "want v1, got %q", v)
	}
	switch v := query.Get("encoding"); v {
	case "json", "proto":
	case "":
		return Invalidf("encoding", "want json or proto, got nothing")
	default:
		return Invalidf("encoding", "want json or proto, got %q", v)
	}
	if !query.Has("message") {
		return Invalidf("message", "want the request, URL-encoded, got nothing")
	}
	if query.Get("base64") != "1" {
		return nil
	}
	encoding, message := base64.URLEncoding, query.Get("message")
	if len(message)%4 != 0 {
		encoding = base64.RawURLEncoding // Connect takes it with padding or without
	}
	if _, err := encoding.DecodeString(message); err != nil {
		return Invalidf("message", "not valid URL-safe base64")
	}
	return nil
}

// header returns a header whose name is in canonical form. It is cheaper than
// Header.Get.
func header(r *http.Request, name string) string {
	if values := r.Header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func grpcTimeout(v string) bool {
	digits, unit := v[:len(v)-1], v[len(v)-1]
	if len(digits) == 0 || len(digits) > 8 || !strings.ContainsRune("HMSmun", rune(unit)) {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}
