package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/strata-exp/strata/sdk/go/engine"
)

// users is how many different users are asked about.
const users = 40

// question is the nth question: what a user gets of a service.
func question(n int) string {
	return fmt.Sprintf("%s/u%d", Services[n%len(Services)], n%users)
}

// body is the question as a request.
func body(question string) []byte {
	service, user, _ := strings.Cut(question, "/")
	return fmt.Appendf(nil, `{"services":[%q],"context":{%q:%q}}`, service, HashKey, user)
}

// answer is what counts of an answer.
type answer struct {
	Parameters    any      `json:"parameters"`
	VIDs          []int32  `json:"vids"`
	MatchedLayers []string `json:"matched_layers"`
}

func (a answer) hash() string {
	data, err := json.Marshal(a) // with the keys of objects sorted
	if err != nil {
		return err.Error()
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// readAnswer reads the answer of a server to a question.
func readAnswer(question string, data []byte) (revision int64, hash string, err error) {
	service, _, _ := strings.Cut(question, "/")
	var response struct {
		Results  map[string]answer `json:"results"`
		Revision json.Number       `json:"revision"` // as a text or a number
	}
	if err := json.Unmarshal(data, &response); err != nil {
		return 0, "", fmt.Errorf("%q: %w", data, err)
	}
	a, ok := response.Results[service]
	if !ok {
		return 0, "", fmt.Errorf("%q has no result of %s", data, service)
	}
	revision, err = response.Revision.Int64()
	return revision, normal(a).hash(), err
}

// expected is what a ruleset answers to a question.
func expected(ruleset *engine.Ruleset, question string) string {
	service, user, _ := strings.Cut(question, "/")
	context := engine.Context{{Name: HashKey, Value: engine.StringValue(user)}}
	result := ruleset.Evaluate(service, context, nil, nil)
	a := answer{VIDs: result.VIDs, MatchedLayers: result.MatchedLayers}
	if err := json.Unmarshal([]byte(result.Parameters), &a.Parameters); err != nil {
		return err.Error()
	}
	return normal(a).hash()
}

// normal makes what says the same the same.
func normal(a answer) answer {
	if len(a.VIDs) == 0 {
		a.VIDs = nil
	}
	if len(a.MatchedLayers) == 0 {
		a.MatchedLayers = nil
	}
	if a.Parameters == nil {
		a.Parameters = map[string]any{}
	}
	return a
}
