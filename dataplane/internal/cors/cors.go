// Package cors lets pages of some origins call a server from a browser. It grants
// nothing that others do not have: no cookies are looked at, so what a page may
// call, anybody may who reaches the server.
package cors

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	connectcors "connectrpc.com/cors"

	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// maxAge is for how many seconds a browser need not ask again. Browsers have
// limits of their own, of which this is the lowest.
const maxAge = "7200"

// Origins are those whose pages may call: "*" is all of them, "http://localhost:*"
// those of any port.
type Origins []string

// Validate returns what is wrong with the origins.
func (o Origins) Validate() error {
	for _, origin := range o {
		if origin == "*" {
			continue
		}
		u, err := url.Parse(strings.TrimSuffix(origin, ":*"))
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != strings.TrimSuffix(origin, ":*") ||
			strings.Contains(u.Host, "*") || origin != strings.ToLower(origin) {
			return fmt.Errorf("%q: want an origin such as https://app.example.com or http://localhost:*, or *", origin)
		}
	}
	return nil
}

// allow returns what a page of an origin is told, empty if it may not call.
func (o Origins) allow(origin string) string {
	for _, allowed := range o {
		switch {
		case allowed == "*":
			return "*"
		case allowed == origin:
			return origin
		case strings.HasSuffix(allowed, ":*"):
			host := strings.TrimSuffix(allowed, ":*")
			if port, ok := strings.CutPrefix(origin, host); ok && (port == "" || isPort(port)) {
				return origin
			}
		}
	}
	return ""
}

// isPort reports whether text is a colon and digits.
func isPort(text string) bool {
	digits, ok := strings.CutPrefix(text, ":")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// Handler stands before all handlers of a server. Without origins it is next.
// Allowed are headers of requests that pages may send, and exposed headers of
// answers that they may read, besides those of Connect and of signed calls.
func Handler(origins Origins, allowed, exposed []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	methods := strings.Join(connectcors.AllowedMethods(), ", ")
	request := strings.Join(slices.Concat(connectcors.AllowedHeaders(), []string{
		"Accept", "Authorization", "X-API-Key",
		accesskey.HeaderInput, accesskey.HeaderSignature, accesskey.HeaderDigest, accesskey.HeaderAudience,
	}, allowed), ", ")
	answer := strings.Join(slices.Concat(connectcors.ExposedHeaders(), []string{
		accesskey.HeaderServerTime, accesskey.HeaderError,
	}, exposed), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		granted := ""
		if origin != "" {
			granted = origins.allow(origin)
		}
		if granted != "" {
			header.Set("Access-Control-Allow-Origin", granted)
		}
		if r.Method != http.MethodOptions || origin == "" || r.Header.Get("Access-Control-Request-Method") == "" {
			if granted != "" {
				header.Set("Access-Control-Expose-Headers", answer)
			}
			next.ServeHTTP(w, r)
			return
		}
		if granted != "" {
			header.Set("Access-Control-Allow-Methods", methods)
			header.Set("Access-Control-Allow-Headers", request)
			header.Set("Access-Control-Max-Age", maxAge)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
