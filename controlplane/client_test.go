package controlplane_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/strata-exp/strata/controlplane"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// bootstrap makes a key that may do everything in a database.
func bootstrap(tb testing.TB, url string) *accesskey.Key {
	tb.Helper()
	key, err := controlplane.Bootstrap(tb.Context(), url, controlplane.BootstrapOptions{Name: "test", Force: true})
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

// signed returns a client whose calls a key signs: reads by a session, and all
// others each by itself.
func signed(tb testing.TB, key *accesskey.Key) *http.Client {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(transport.CloseIdleConnections)
	return signedOver(key, transport)
}

func signedOver(key *accesskey.Key, next http.RoundTripper) *http.Client {
	return &http.Client{Transport: &accesskey.Transport{Key: key, Audience: "control-plane", Sessions: reads, Next: next}}
}

// reads reports whether a procedure has no side effects.
func reads(path string) bool {
	name := strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return false
	}
	options, _ := found.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}

// unsigned returns a client that has no key.
func unsigned(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
