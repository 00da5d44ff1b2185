package dataplane

import (
	"encoding/json"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
)

// readKeys reads public keys from a file in YAML or JSON, as "strata keys list
// -o yaml" prints them. Revoked ones are left out.
func readKeys(file string) ([]*servingv1.PublicKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var document map[string]any
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	text, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	list := new(adminv1.AccessKeyServiceListResponse)
	if err := protojson.Unmarshal(text, list); err != nil {
		return nil, fmt.Errorf(`want what "strata keys list -o yaml" prints: %w`, err)
	}
	var keys []*servingv1.PublicKey
	for _, k := range list.GetAccessKeys() {
		if k.RevokedAt == nil {
			keys = append(keys, k.GetKey())
		}
	}
	return keys, nil
}
