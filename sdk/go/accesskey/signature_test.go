package accesskey

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/remitly-oss/httpsig-go"
	"github.com/remitly-oss/httpsig-go/keyman"
)

func message() Message {
	return Message{
		Method: http.MethodPost, Path: "/strata.admin.v1.RevisionService/Apply", ContentType: "application/proto",
		Digest: Digest([]byte("content")), Audience: "control-plane",
	}
}

func sign(tb testing.TB, key *Key, params Params, m Message) *Signature {
	tb.Helper()
	s, err := key.Sign(params, m)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestRFC9421 makes the signature base of the RFC's own example, B.2.6, and
// verifies its signature, and makes it: Ed25519 has one for each message.
func TestRFC9421(t *testing.T) {
	t.Parallel()
	decode := base64.RawURLEncoding.Strict().DecodeString
	seed, _ := decode("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU")
	public, _ := decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs")
	value, _ := base64.StdEncoding.DecodeString("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==")
	const params = `("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`
	text, err := appendBase(nil, []component{
		{"date", "Tue, 20 Apr 2021 02:07:55 GMT"},
		{"@method", "POST"},
		{"@path", "/foo"},
		{"@authority", "example.com"},
		{"content-type", "application/json"},
		{"content-length", "18"},
	}, params)
	if err != nil {
		t.Fatal(err)
	}
	if !ed25519.Verify(public, text, value) {
		t.Errorf("the RFC's signature is not one of:\n%s", text)
	}
	if made := ed25519.Sign(newKey(ed25519.NewKeyFromSeed(seed)).private(), text); string(made) != string(value) {
		t.Error("another signature than the RFC's")
	}
}

// TestAnotherLibraryAgrees has what the transport sends verified by a library
// that knows nothing of us.
func TestAnotherLibraryAgrees(t *testing.T) {
	t.Parallel()
	key := generate(t)
	keys := keyman.NewKeyFetchInMemory(map[string]httpsig.KeySpec{
		key.AccessKey(): {KeyID: key.AccessKey(), Algo: httpsig.Algo_ED25519, PubKey: key.PublicKey()},
	})
	for profile, fields := range map[Profile][]httpsig.SignedField{
		Request: httpsig.Fields("@method", "@path", "content-type", "content-digest", "strata-audience"),
		Session: httpsig.Fields("strata-audience"),
	} {
		verifier, err := httpsig.NewVerifier(keys, httpsig.VerifyProfile{
			SignatureLabel: "strata", AllowedAlgorithms: []httpsig.Algorithm{httpsig.Algo_ED25519}, RequiredFields: fields,
			RequiredMetadata: []httpsig.Metadata{httpsig.MetaCreated, httpsig.MetaExpires, httpsig.MetaKeyID, httpsig.MetaTag},
		})
		if err != nil {
			t.Fatal(err)
		}
		verified := 0
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if result, err := verifier.Verify(r); err != nil || !result.Verified {
				t.Errorf("%s: %v", profile, err)
			}
			r.Header.Set(HeaderAudience, "another")
			if _, err := verifier.Verify(r); err == nil {
				t.Errorf("%s: verified for another audience", profile)
			}
			verified++
		}))
		transport := &Transport{Key: key, Audience: "here", Sessions: func(string) bool { return profile == Session }}
		for _, content := range []string{"", "content", strings.Repeat("\x00\xff", 100000)} {
			response, err := (&http.Client{Transport: transport}).Post(server.URL+"/strata.v1.Service/Call", "application/json", strings.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
		}
		transport.CloseIdleConnections()
		server.Close()
		if verified != 3 {
			t.Errorf("verified %d", verified)
		}
	}
}

func TestVerifyNeedsAllThatIsCovered(t *testing.T) {
	t.Parallel()
	key := generate(t)
	for _, profile := range []Profile{Request, Session} {
		s := sign(t, key, Params{Profile: profile, Created: 1000, Expires: 1060}, message())
		if !s.Verify(key.PublicKey(), message()) {
			t.Errorf("%s: not verified", profile)
		}
		for name, change := range map[string]func(*Signature, *Message){
			"method":       func(_ *Signature, m *Message) { m.Method = "PUT" },
			"path":         func(_ *Signature, m *Message) { m.Path += "x" },
			"content type": func(_ *Signature, m *Message) { m.ContentType = "application/json" },
			"digest":       func(_ *Signature, m *Message) { m.Digest = Digest(nil) },
			"audience":     func(_ *Signature, m *Message) { m.Audience = "x" },
			"created":      func(s *Signature, _ *Message) { s.Created-- },
			"expires":      func(s *Signature, _ *Message) { s.Expires++ },
			"nonce":        func(s *Signature, _ *Message) { s.Nonce = strings.Repeat("A", 22) },
			"access key":   func(s *Signature, _ *Message) { s.AccessKey = generate(t).AccessKey() },
			"value":        func(s *Signature, _ *Message) { s.Value[0] ^= 1 },
		} {
			changed, m := *s, message()
			change(&changed, &m)
			covered := profile == Request || name == "audience" || name == "created" || name == "expires" || name == "access key" || name == "value"
			if got := changed.Verify(key.PublicKey(), m); got == covered {
				t.Errorf("%s with another %s: verified: %v", profile, name, got)
			}
		}
		if s.Verify(generate(t).PublicKey(), message()) || s.Verify(nil, message()) {
			t.Errorf("%s: verified by another key", profile)
		}
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	key := generate(t)
	change := func(change func(*Message)) Message {
		m := message()
		change(&m)
		return m
	}
	for want, test := range map[string]struct {
		params Params
		m      Message
	}{
		"no such profile":               {Params{Created: 1, Expires: 2}, message()},
		"1 to 300 seconds after":        {Params{Profile: Request, Created: 1, Expires: 302}, message()},
		"1 to 600 seconds after":        {Params{Profile: Session, Created: 1, Expires: 602}, message()},
		"expires has to be":             {Params{Profile: Request, Created: 1, Expires: 1}, message()},
		"seconds since 1970":            {Params{Profile: Request, Created: -1, Expires: 1}, message()},
		"the nonce has to be":           {Params{Profile: Request, Created: 1, Expires: 2, Nonce: "x"}, message()},
		"a session has no nonce":        {Params{Profile: Session, Created: 1, Expires: 2, Nonce: strings.Repeat("A", 22)}, message()},
		"strata-audience can not":       {Params{Profile: Session, Created: 1, Expires: 2}, Message{}},
		"content-type can not":          {Params{Profile: Request, Created: 1, Expires: 2}, change(func(m *Message) { m.ContentType = "" })},
		"@path can not":                 {Params{Profile: Request, Created: 1, Expires: 2}, change(func(m *Message) { m.Path = "/\n\"@x\": y" })},
		"@method can not":               {Params{Profile: Request, Created: 1, Expires: 2}, change(func(m *Message) { m.Method = " POST" })},
		"content-digest can not":        {Params{Profile: Request, Created: 1, Expires: 2}, change(func(m *Message) { m.Digest = strings.Repeat("x", 1025) })},
		"strata-audience can not be si": {Params{Profile: Request, Created: 1, Expires: 2}, change(func(m *Message) { m.Audience = "ä" })},
	} {
		if _, err := key.Sign(test.params, test.m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestParseSignatureTakesNothingElse(t *testing.T) {
	t.Parallel()
	key := generate(t)
	now := time.Now().Unix()
	request := sign(t, key, Params{Profile: Request, Created: now, Expires: now + 60}, message())
	session := sign(t, key, Params{Profile: Session, Created: now, Expires: now + 600}, message())
	for _, s := range []*Signature{request, session} {
		read, err := ParseSignature(s.Input(), s.Text())
		if err != nil || *read != *s {
			t.Errorf("got %v, %v", read, err)
		}
	}
	input, text := request.Input(), request.Text()
	replace := func(old, with string) string {
		if !strings.Contains(input, old) {
			t.Errorf("no %q in %s", old, input)
		}
		return strings.Replace(input, old, with, 1)
	}
	for name, headers := range map[string][2]string{
		"nothing":           {"", ""},
		"label alone":       {"strata=", text},
		"other label":       {replace("strata=", "sig1="), text},
		"other label too":   {input, strings.Replace(text, "strata", "sig1", 1)},
		"no label":          {replace("strata=", ""), text},
		"two labels":        {input + ", " + input, text + ", " + text},
		"order":             {replace(`"@method" "@path"`, `"@path" "@method"`), text},
		"more components":   {replace(`"strata-audience"`, `"strata-audience" "date"`), text},
		"fewer components":  {replace(` "content-digest"`, ""), text},
		"session and nonce": {strings.Replace(session.Input(), ";keyid", `;nonce="`+request.Nonce+`";keyid`, 1), text},
		"order of params":   {replace(`;alg="ed25519";tag="strata-req-v1"`, `;tag="strata-req-v1";alg="ed25519"`), text},
		"no nonce":          {replace(`;nonce="`+request.Nonce+`"`, ""), text},
		"short nonce":       {replace(request.Nonce, request.Nonce[1:]), text},
		"other nonce":       {replace(request.Nonce, strings.Repeat("A", 21)+"B"), text}, // bits that do not count
		"other algorithm":   {replace("ed25519", "hmac-sha256"), text},
		"other tag":         {replace("strata-req-v1", "strata-sess-v1"), text},
		"more params":       {input + ";x=1", text},
		"space":             {input + " ", text},
		"leading zero":      {replace("created=", "created=0"), text},
		"plus":              {replace("created=", "created=+"), text},
		"no number":         {replace("created=", "created=x"), text},
		"long number":       {replace("created=", "created=99999999999999999999"), text},
		"late number":       {replace("expires=", "expires=999"), text},
		"keyid":             {replace(`keyid="sak_`, `keyid="SAK_`), text},
		"too long":          {input + strings.Repeat(" ", 1024), text},
		"no signature":      {input, ""},
		"short signature":   {input, text[:len(text)-2] + ":"},
		"signature in URL":  {input, "strata=:" + strings.Repeat("_", 86) + "==:"},
		"unused bits":       {input, "strata=:" + strings.Repeat("A", 85) + "B==:"},
		"new lines":         {input, "strata=:" + strings.Repeat("\n", 88) + ":"},
	} {
		if s, err := ParseSignature(headers[0], headers[1]); err == nil {
			t.Errorf("%s: got %v", name, s)
		}
	}
}

func FuzzParseSignature(f *testing.F) {
	key := generate(f)
	for _, profile := range []Profile{Request, Session} {
		s := sign(f, key, Params{Profile: profile, Created: 1767225600, Expires: 1767225660}, message())
		f.Add(s.Input(), s.Text())
	}
	f.Add("strata=", "strata=::")
	f.Fuzz(func(t *testing.T, input, text string) {
		s, err := ParseSignature(input, text)
		if err != nil {
			return
		}
		if s.Input() != input || s.Text() != text {
			t.Errorf("%q, %q was read as %q, %q", input, text, s.Input(), s.Text())
		}
		if s.Verify(key.PublicKey(), message()) && s.AccessKey != key.AccessKey() {
			t.Error("verified as another key's")
		}
	})
}
