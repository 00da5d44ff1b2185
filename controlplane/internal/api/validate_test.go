package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"connectrpc.com/connect"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
)

// TestStreamsAreCheckedToo sends a bad request to a procedure that answers with a
// stream.
func TestStreamsAreCheckedToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const procedure = "/strata.admin.v1.LayerService/Watch"
	watch := func(_ context.Context, in *incoming[*adminv1.LayerServiceGetRequest], s *connect.ServerStream[adminv1.LayerServiceGetResponse]) error {
		return s.Send(&adminv1.LayerServiceGetResponse{Layer: &adminv1.Layer{LayerId: in.message.GetLayerId()}})
	}
	mux := http.NewServeMux()
	mux.Handle(procedure, connect.NewServerStreamHandlerSimple(procedure, watch,
		b.api.parts.Edge.StreamOptions("strata.admin.v1.LayerService"), codecs(), connect.WithInterceptors(b.api.validation)))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	client := connect.NewClient[adminv1.LayerServiceGetRequest, adminv1.LayerServiceGetResponse](httpClient(t), server.URL+procedure)
	for environment, want := range map[string]connect.Code{"dev": 0, "": connect.CodeInvalidArgument} {
		stream, err := client.CallServerStream(t.Context(), connect.NewRequest(&adminv1.LayerServiceGetRequest{Environment: environment, LayerId: "ads"}))
		if err != nil {
			t.Fatal(err)
		}
		received := stream.Receive()
		if err := stream.Err(); received != (want == 0) || err != nil && connect.CodeOf(err) != want {
			t.Errorf("in %q: received %v, %v", environment, received, err)
		}
		if received && stream.Msg().GetLayer().GetLayerId() != "ads" {
			t.Errorf("got %v", stream.Msg())
		}
		_ = stream.Close()
	}
}

func TestAuthors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world()
	made := 0
	for header, want := range map[string]string{"": "robot", "  ": "robot", " ann ": "ann via robot", "Zoë": "Zoë via robot", "a\xff": "robot"} {
		b.author = header
		made++
		b.ok("RevisionService/Apply", `{"environment":"dev","changes":[{"upsert_field":{"name":"field`+strconv.Itoa(made)+`","type":"FIELD_TYPE_INT"}}]}`)
		var got adminv1.RevisionServiceGetResponse
		b.call("RevisionService/Get", `{"environment":"dev"}`, &got)
		if author := got.GetRevision().GetAuthor(); author != want {
			t.Errorf("%q made it %q", header, author)
		}
	}
}
