package api

import (
	"encoding/base64"
	"strings"
	"testing"

	adminv1 "github.com/strata-exp/strata/gen/go/strata/admin/v1"
	servingv1 "github.com/strata-exp/strata/gen/go/strata/serving/v1"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

func TestAccessKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.author = "ann"
	var made adminv1.AccessKeyServiceCreateResponse
	b.call("AccessKeyService/Create", `{"name":"shop","role":"ROLE_SDK","services":["web"],"environments":["prod"],"ttl":"60s"}`, &made)
	k := made.GetAccessKey()
	pair, err := accesskey.Parse("", made.GetSecretKey())
	if err != nil || string(pair.PublicKey()) != string(k.GetKey().GetPublicKey()) {
		t.Fatalf("the secret is not the key's: %v", err)
	}
	if k.GetCreatedBy() != "ann via robot" || k.GetKey().GetName() != "shop" || k.GetKey().GetRole() != servingv1.Role_ROLE_SDK ||
		k.GetKey().GetServices()[0] != "web" || k.GetKey().GetEnvironments()[0] != "prod" ||
		k.GetKey().GetExpiresAt().AsTime().Sub(k.GetCreatedAt().AsTime()).Seconds() != 60 {
		t.Errorf("made %v", k)
	}
	public := base64.StdEncoding.EncodeToString(pair.PublicKey())
	b.call("AccessKeyService/Create", `{"name":"own","role":"ROLE_VIEWER","public_key":"`+public+`"}`, &made)
	if made.GetSecretKey() != "" {
		t.Error("there is a secret that the server can not know")
	}
	var revoked adminv1.AccessKeyServiceRevokeResponse
	b.call("AccessKeyService/Revoke", `{"access_key":"sak_001"}`, &revoked)
	if revoked.GetAccessKey().GetRevokedAt() == nil {
		t.Errorf("got %v", &revoked)
	}
	if f := b.fails("AccessKeyService/Revoke", `{"access_key":"none"}`); f.code != "not_found" || f.reason != "KEY_NOT_FOUND" {
		t.Errorf("got %+v", f)
	}
	for body, field := range map[string]string{
		`{"role":"ROLE_SDK"}`: "name",
		`{"name":"a"}`:        "role",
		`{"name":"a","role":"ROLE_SDK","ttl":"0s"}`:                     "ttl",
		`{"name":"a","role":"ROLE_SDK","ttl":"315360001s"}`:             "ttl",
		`{"name":"` + strings.Repeat("x", 129) + `","role":"ROLE_SDK"}`: "name",
	} {
		if f := b.fails("AccessKeyService/Create", body); f.fields() != field {
			t.Errorf("%s: got %+v", body, f)
		}
	}
}

// TestKeyPages pages over keys of which two each have one time.
func TestKeyPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 7 {
		b.ok("AccessKeyService/Create", `{"name":"x","role":"ROLE_SDK"}`)
	}
	var got []string
	for token := ""; ; {
		var list adminv1.AccessKeyServiceListResponse
		b.call("AccessKeyService/List", `{"page_size":3,"page_token":"`+token+`"}`, &list)
		for _, k := range list.GetAccessKeys() {
			got = append(got, strings.TrimPrefix(k.GetKey().GetAccessKey(), "sak_00"))
		}
		if token = list.GetNextPageToken(); token == "" {
			break
		}
	}
	if strings.Join(got, " ") != "6 4 5 2 3 0 1" {
		t.Errorf("got %v", got)
	}
	r := &adminv1.AccessKeyServiceListRequest{}
	for _, c := range []cursor{{position: "x"}, {position: "-1 a"}, {position: "99999999999999999999 a"}, {position: "9223372036854775807 a"}} {
		token, err := c.token(r)
		if err != nil {
			t.Fatal(err)
		}
		if f := b.fails("AccessKeyService/List", `{"page_token":"`+token+`"}`); f.fields() != "page_token" {
			t.Errorf("%+v: got %+v", c, f)
		}
	}
}
