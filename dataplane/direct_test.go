package dataplane_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/strata-exp/strata/gen/go/strata/serving/v1/servingv1connect"
)

// TestShortCutAnswersLikeTheFramework sends each call twice: plain, which takes
// the short cut of rpc.Direct, and with a deadline, which does not.
func TestShortCutAnswersLikeTheFramework(t *testing.T) {
	t.Parallel()
	p := start(t)
	one := `{"services":["ranker_svc"],"context":{"user_id":"user_12345","country":"US","age":25}}`
	const (
		evaluate = servingv1connect.EvaluationServiceEvaluateProcedure
		batch    = servingv1connect.EvaluationServiceBatchEvaluateProcedure
	)
	for name, c := range map[string]struct{ path, body string }{
		"an answer":           {evaluate, one},
		"a batch":             {batch, `{"requests":[` + one + `,{"services":[]}]}`},
		"a large answer":      {batch, `{"requests":[` + strings.Repeat(one+",", 50) + one + `]}`},
		"an unknown field":    {evaluate, `{"servicez":[]}`},
		"no service":          {evaluate, `{}`},
		"no JSON":             {evaluate, `{"services":`},
		"an empty batch":      {batch, `{"requests":[]}`},
		"nothing":             {evaluate, ``},
		"more than one value": {evaluate, one + one},
	} {
		for _, encoding := range []string{"", "gzip", "br, gzip", "gzip;q=0"} {
			t.Run(name+" "+encoding, func(t *testing.T) {
				t.Parallel()
				var answers []any
				for _, deadline := range []string{"", "10000"} {
					status, header, body := p.exchange(c.path, c.body, encoding, deadline)
					answers = append(answers, []any{
						status, header.Get("Content-Type"), header.Get("Content-Encoding"), plain(t, body),
					})
				}
				if !reflect.DeepEqual(answers[0], answers[1]) {
					t.Errorf("the short cut answers\n%.300v\nthe framework\n%.300v", fmt.Sprint(answers[0]), fmt.Sprint(answers[1]))
				}
			})
		}
	}
}

// exchange sends JSON and returns the answer, decompressed.
func (p *plane) exchange(path, body, acceptEncoding, deadline string) (status int, header http.Header, answer []byte) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.api+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	// Even if it is empty: else net/http asks for gzip, and hides that it did.
	request.Header.Set("Accept-Encoding", acceptEncoding)
	if deadline != "" {
		request.Header.Set("Connect-Timeout-Ms", deadline)
	}
	response, err := p.client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err = io.ReadAll(response.Body)
	if err == nil && response.Header.Get("Content-Encoding") == "gzip" {
		answer, err = decompress(answer)
	}
	if closeErr := response.Body.Close(); err != nil || closeErr != nil {
		p.t.Fatal(fmt.Errorf("%w, %w", err, closeErr))
	}
	return response.StatusCode, response.Header, answer
}

func decompress(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(reader)
}
