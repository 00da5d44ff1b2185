package accesskey

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectorsFile = "../../conformance/signatures/vectors.json"

// The format is explained next to the file.
type (
	vectors struct {
		Keys         []keyVector         `json:"keys"`
		RefusedKeys  []refusedKeyVector  `json:"refused_keys"`
		Signatures   []signatureVector   `json:"signatures"`
		RefusedCalls []refusedCallVector `json:"refused_requests"`
	}
	keyVector struct {
		Seed      string `json:"seed_hex"`
		Public    string `json:"public_key_hex"`
		AccessKey string `json:"access_key"`
		SecretKey string `json:"secret_key"`
	}
	refusedKeyVector struct {
		Name      string `json:"name"`
		AccessKey string `json:"access_key"`
		SecretKey string `json:"secret_key"`
	}
	requestVector struct {
		Method  string `json:"method"`
		Path    string `json:"path"`
		Content string `json:"content_hex"`
		// Headers are in the order of their names.
		Headers map[string][]string `json:"headers"`
	}
	signatureVector struct {
		Name     string        `json:"name"`
		Profile  string        `json:"profile"`
		Seed     string        `json:"seed_hex"`
		Audience string        `json:"audience"`
		Created  int64         `json:"created"`
		Expires  int64         `json:"expires"`
		Nonce    string        `json:"nonce"`
		Base     string        `json:"signature_base"`
		Request  requestVector `json:"request"`
	}
	refusedCallVector struct {
		Name     string        `json:"name"`
		Audience string        `json:"audience"`
		Time     int64         `json:"server_time"`
		Reason   string        `json:"reason"`
		Request  requestVector `json:"request"`
	}
)

const (
	vectorTime     = 1767225600 // 2026-01-01
	vectorAudience = "control-plane"
	vectorNonce    = "AAECAwQFBgcICQoLDA0ODw"
	vectorPath     = "/strata.admin.v1.RevisionService/Apply"
)

var vectorSeeds = []string{
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	"9f8362f87a484a954e6e740c5b4c0e84229139a20aa8ab56ff66586f6a7d29c5", // test-key-ed25519 of RFC 9421
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

func seeded(t *testing.T, seed string) *Key {
	t.Helper()
	data, err := hex.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	return newKey(ed25519.NewKeyFromSeed(data))
}

// vector makes a signature with all that goes into it.
func vector(t *testing.T, name, seed string, params Params, path, contentType string, content []byte) signatureVector {
	t.Helper()
	m := Message{Method: "POST", Path: path, ContentType: contentType, Digest: Digest(content), Audience: vectorAudience}
	s := sign(t, seeded(t, seed), params, m)
	text, err := base(s.Params, m)
	if err != nil {
		t.Fatal(err)
	}
	headers := map[string][]string{
		"Content-Type": {contentType}, HeaderAudience: {m.Audience}, HeaderInput: {s.Input()}, HeaderSignature: {s.Text()},
	}
	if params.Profile == Request {
		headers[HeaderDigest] = []string{m.Digest}
	}
	return signatureVector{
		Name: name, Profile: params.Profile.String(), Seed: seed, Audience: m.Audience,
		Created: s.Created, Expires: s.Expires, Nonce: s.Nonce, Base: string(text),
		Request: requestVector{Method: m.Method, Path: path, Content: hex.EncodeToString(content), Headers: headers},
	}
}

func makeVectors(t *testing.T) *vectors {
	t.Helper()
	v := &vectors{}
	for _, seed := range vectorSeeds {
		key := seeded(t, seed)
		v.Keys = append(v.Keys, keyVector{seed, hex.EncodeToString(key.PublicKey()), key.AccessKey(), key.SecretKey()})
	}
	first, second := v.Keys[0], v.Keys[1]
	v.RefusedKeys = []refusedKeyVector{
		{"no secret key", first.AccessKey, ""},
		{"the access key of another secret key", second.AccessKey, first.SecretKey},
		{"exchanged", first.SecretKey, first.AccessKey},
		{"cut off", "", first.SecretKey[:51]},
		{"a letter more", "", first.SecretKey + "A"},
		{"a letter changed", "", first.SecretKey[:20] + "x" + first.SecretKey[21:]},
		{"a letter that is in none", "", first.SecretKey[:20] + "+" + first.SecretKey[21:]},
		{"another prefix", "", "sss_" + first.SecretKey[4:]},
		{"an access key that is none", "sak_0000", first.SecretKey},
	}
	once := Params{Profile: Request, Created: vectorTime, Expires: vectorTime + 60, Nonce: vectorNonce}
	long := Params{Profile: Request, Created: vectorTime, Expires: vectorTime + 300, Nonce: "_________-_____________"[:21] + "w"}
	session := Params{Profile: Session, Created: vectorTime, Expires: vectorTime + 600}
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	v.Signatures = []signatureVector{
		vector(t, "json", vectorSeeds[0], once, vectorPath, "application/json", []byte(`{"environment":"prod"}`)),
		vector(t, "no content", vectorSeeds[0], once, vectorPath, "application/proto", nil),
		vector(t, "binary", vectorSeeds[1], long, vectorPath, "application/proto", binary),
		vector(t, "a gRPC envelope", vectorSeeds[0], once, "/strata.serving.v1.ConfigService/Watch", "application/grpc+proto", []byte("\x00\x00\x00\x00\x06\x0a\x04prod")),
		vector(t, "an empty gRPC-Web envelope", vectorSeeds[2], once, "/strata.serving.v1.ConfigService/Watch", "application/grpc-web+proto", make([]byte, 5)),
		vector(t, "a Connect envelope", vectorSeeds[0], once, "/strata.serving.v1.ConfigService/Watch", "application/connect+json", []byte("\x00\x00\x00\x00\x02{}")),
		vector(t, "an escaped path", vectorSeeds[0], once, "/a%2Fb%20c/~%C3%A4%41", "application/json; charset=utf-8", []byte("{}")),
		vector(t, "the shortest path", vectorSeeds[0], once, "/", "a/b", []byte("\n")),
		vector(t, "a session", vectorSeeds[0], session, "/strata.serving.v1.ConfigService/Watch", "application/grpc", []byte("\x00\x00\x00\x00\x00")),
		vector(t, "a short session", vectorSeeds[1], Params{Profile: Session, Created: vectorTime, Expires: vectorTime + 1}, "/x", "application/json", []byte("{}")),
	}
	v.RefusedCalls = refusedCalls(t, once, session)
	return v
}

func refusedCalls(t *testing.T, once, session Params) []refusedCallVector {
	t.Helper()
	var all []refusedCallVector
	add := func(name, reason string, params Params, change func(*refusedCallVector)) {
		good := vector(t, name, vectorSeeds[0], params, vectorPath, "application/json", []byte(`{"environment":"prod"}`))
		refused := refusedCallVector{name, vectorAudience, vectorTime, "ERROR_REASON_" + reason, good.Request}
		change(&refused)
		all = append(all, refused)
	}
	header := func(name string, values ...string) func(*refusedCallVector) {
		return func(v *refusedCallVector) {
			if v.Request.Headers[name] = values; len(values) == 0 {
				delete(v.Request.Headers, name)
			}
		}
	}
	replace := func(name, old, with string) func(*refusedCallVector) {
		return func(v *refusedCallVector) {
			value := v.Request.Headers[name][0]
			if !strings.Contains(value, old) {
				t.Errorf("%s: no %q in %q", v.Name, old, value)
			}
			v.Request.Headers[name] = []string{strings.Replace(value, old, with, 1)}
		}
	}
	const unauthenticated, skew = "UNAUTHENTICATED", "CLOCK_SKEW"
	at := func(time int64) func(*refusedCallVector) { return func(v *refusedCallVector) { v.Time = time } }
	add("not signed", unauthenticated, once, func(v *refusedCallVector) {
		delete(v.Request.Headers, HeaderInput)
		delete(v.Request.Headers, HeaderSignature)
	})
	add("no Signature", unauthenticated, once, header(HeaderSignature))
	add("no Signature-Input", unauthenticated, once, header(HeaderInput))
	add("no Content-Digest", unauthenticated, once, header(HeaderDigest))
	add("no Strata-Audience", unauthenticated, session, header(HeaderAudience))
	add("no Content-Type", unauthenticated, once, header("Content-Type"))
	add("a header twice", unauthenticated, once, func(v *refusedCallVector) {
		v.Request.Headers[HeaderAudience] = append(v.Request.Headers[HeaderAudience], vectorAudience)
	})
	add("Signature-Input twice", unauthenticated, once, func(v *refusedCallVector) {
		v.Request.Headers[HeaderInput] = append(v.Request.Headers[HeaderInput], v.Request.Headers[HeaderInput][0])
	})
	add("two labels", unauthenticated, once, func(v *refusedCallVector) {
		for _, name := range []string{HeaderInput, HeaderSignature} {
			value := v.Request.Headers[name][0]
			v.Request.Headers[name] = []string{value + ", sig2" + strings.TrimPrefix(value, "strata")}
		}
	})
	add("another label", unauthenticated, once, func(v *refusedCallVector) {
		for _, name := range []string{HeaderInput, HeaderSignature} {
			v.Request.Headers[name] = []string{"sig1" + strings.TrimPrefix(v.Request.Headers[name][0], "strata")}
		}
	})
	add("another order of components", unauthenticated, once, replace(HeaderInput, `"@method" "@path"`, `"@path" "@method"`))
	add("a component less", unauthenticated, once, replace(HeaderInput, ` "content-digest"`, ``))
	add("another order of parameters", unauthenticated, once, replace(HeaderInput, `;alg="ed25519";tag="strata-req-v1"`, `;tag="strata-req-v1";alg="ed25519"`))
	add("a parameter more", unauthenticated, once, replace(HeaderInput, `;alg=`, `;x=1;alg=`))
	add("no nonce", unauthenticated, once, replace(HeaderInput, `;nonce="`+vectorNonce+`"`, ``))
	add("a short nonce", unauthenticated, once, replace(HeaderInput, vectorNonce, vectorNonce[2:]))
	add("another algorithm", unauthenticated, once, replace(HeaderInput, "ed25519", "hmac-sha256"))
	add("a space more", unauthenticated, once, replace(HeaderInput, ";created", "; created"))
	add("a zero in front", unauthenticated, once, replace(HeaderInput, "created=", "created=0"))
	add("a Signature-Input that is too long", unauthenticated, once, replace(HeaderInput, `"@method"`, `"@method"`+strings.Repeat(" ", 1024)))
	add("a lifetime of 301 seconds", unauthenticated, once, replace(HeaderInput, "expires=1767225660", "expires=1767225901"))
	add("a session of 601 seconds", unauthenticated, session, replace(HeaderInput, "expires=1767226200", "expires=1767226201"))
	add("a signature that is too short", unauthenticated, once, replace(HeaderSignature, "==:", ":"))
	add("another signature", unauthenticated, once, header(HeaderSignature, "strata=:"+strings.Repeat("A", 86)+"==:"))
	add("another method", unauthenticated, once, func(v *refusedCallVector) { v.Request.Method = "PUT" })
	add("another path", unauthenticated, once, func(v *refusedCallVector) { v.Request.Path += "x" })
	add("the path escaped in another way", unauthenticated, once, func(v *refusedCallVector) {
		v.Request.Path = strings.Replace(v.Request.Path, "Apply", "%41pply", 1)
	})
	add("a query", unauthenticated, once, func(v *refusedCallVector) { v.Request.Path += "?a=b" })
	add("an empty query", unauthenticated, session, func(v *refusedCallVector) { v.Request.Path += "?" })
	add("another content type", unauthenticated, once, header("Content-Type", "application/proto"))
	add("other content", unauthenticated, once, func(v *refusedCallVector) { v.Request.Content = hex.EncodeToString([]byte(`{"environment":"test"}`)) })
	add("more content", unauthenticated, once, func(v *refusedCallVector) { v.Request.Content += "20" })
	add("other content with its digest", unauthenticated, once, func(v *refusedCallVector) {
		v.Request.Content = ""
		v.Request.Headers[HeaderDigest] = []string{Digest(nil)}
	})
	add("another digest algorithm", unauthenticated, once, replace(HeaderDigest, "sha-256", "sha-512"))
	add("for another audience", unauthenticated, once, func(v *refusedCallVector) { v.Audience = "data-plane" })
	add("a session for another audience", unauthenticated, session, func(v *refusedCallVector) { v.Audience = "data-plane" })
	add("the audience changed", unauthenticated, session, func(v *refusedCallVector) {
		v.Audience = "data-plane"
		v.Request.Headers[HeaderAudience] = []string{"data-plane"}
	})
	add("an unknown key", unauthenticated, once, replace(HeaderInput, seeded(t, vectorSeeds[0]).AccessKey(), "sak_"+strings.Repeat("a", 24)))
	add("the name of another key", unauthenticated, once, replace(HeaderInput, seeded(t, vectorSeeds[0]).AccessKey(), seeded(t, vectorSeeds[1]).AccessKey()))
	add("from the future", skew, once, at(vectorTime-301))
	add("expired", skew, once, at(vectorTime+60))
	add("a session from the future", skew, session, at(vectorTime-301))
	add("an expired session", skew, session, at(vectorTime+600))
	return all
}

// TestVectors holds the file against what the code makes.
func TestVectors(t *testing.T) {
	t.Parallel()
	v := makeVectors(t)
	for _, key := range v.RefusedKeys {
		if _, err := Parse(key.AccessKey, key.SecretKey); err == nil {
			t.Errorf("%s: no error", key.Name)
		}
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(vectorsFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the code makes: other SDKs rely on it, so that a difference is another profile", vectorsFile)
	}
}
