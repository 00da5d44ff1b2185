package cors_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/strata-exp/strata/dataplane/internal/cors"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		origins string
		origin  string
		want    string
	}{
		{"https://a.example", "https://a.example", "https://a.example"},
		{"https://a.example", "https://b.example", ""},
		{"https://a.example", "http://a.example", ""},
		{"https://a.example", "https://a.example:8443", ""},
		{"https://a.example", "https://a.example.evil", ""},
		{"https://a.example,https://b.example", "https://b.example", "https://b.example"},
		{"*", "https://a.example", "*"},
		{"*", "null", "*"},
		{"http://localhost:*", "http://localhost:3000", "http://localhost:3000"},
		{"http://localhost:*", "http://localhost", "http://localhost"},
		{"http://localhost:*", "http://localhost.evil", ""},
		{"http://localhost:*", "http://localhost:3000.evil", ""},
		{"http://localhost:*", "http://localhost:", ""},
		{"http://localhost:*", "null", ""},
		{"http://localhost:*", "", ""},
	} {
		origins := cors.Origins(strings.Split(test.origins, ","))
		if err := origins.Validate(); err != nil {
			t.Fatal(err)
		}
		called := false
		handler := cors.Handler(origins, []string{"X-Asked"}, []string{"X-Told"}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			called = true
			w.WriteHeader(http.StatusTeapot)
		}))
		for _, method := range []string{http.MethodOptions, http.MethodPost} {
			called = false
			r := httptest.NewRequest(method, "/", nil)
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			preflight := method == http.MethodOptions && test.origin != ""
			if preflight {
				r.Header.Set("Access-Control-Request-Method", http.MethodPost)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			header := w.Result().Header
			if called == preflight {
				t.Errorf("%s of %q: called: %v", method, test.origin, called)
			}
			if got := header.Get("Access-Control-Allow-Origin"); got != test.want {
				t.Errorf("%s of %q, %s: got %q, want %q", method, test.origin, test.origins, got, test.want)
			}
			if got := header.Get("Vary"); got != "Origin" {
				t.Errorf("Vary: %s", got)
			}
			has := func(name, value string) bool { return slices.Contains(strings.Split(header.Get(name), ", "), value) }
			if got := has("Access-Control-Allow-Headers", "X-Asked") && has("Access-Control-Allow-Headers", "Connect-Protocol-Version"); got != (preflight && test.want != "") {
				t.Errorf("%s of %q: allows headers: %v", method, test.origin, header)
			}
			if got := has("Access-Control-Expose-Headers", "X-Told"); got != (!preflight && test.want != "") {
				t.Errorf("%s of %q: exposes headers: %v", method, test.origin, header)
			}
		}
	}
}

func TestWithoutOriginsNothingIsAdded(t *testing.T) {
	t.Parallel()
	handler := cors.Handler(nil, nil, nil, http.NotFoundHandler())
	r := httptest.NewRequest(http.MethodOptions, "/", nil)
	r.Header.Set("Origin", "https://a.example")
	r.Header.Set("Access-Control-Request-Method", http.MethodPost)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	for name := range w.Result().Header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Vary" {
			t.Errorf("got %s", name)
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, origin := range []string{"", "example.com", "https://", "https://a.example/", "https://a.example/path", "https://user@a.example", "https://A.example", "null", "https://*.example/", "https://*.example", "https://*.example:*", "https://*"} {
		if err := (cors.Origins{origin}).Validate(); err == nil {
			t.Errorf("%q was taken", origin)
		}
	}
}
