package accesskey

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func generate(tb testing.TB) *Key {
	tb.Helper()
	key, err := Generate()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func TestParse(t *testing.T) {
	t.Parallel()
	key, other := generate(t), generate(t)
	for _, accessKey := range []string{"", key.AccessKey(), " " + key.AccessKey() + "\n"} {
		read, err := Parse(accessKey, key.SecretKey()+"\n")
		if err != nil || read.AccessKey() != key.AccessKey() || !read.PublicKey().Equal(key.PublicKey()) || read.SecretKey() != key.SecretKey() {
			t.Errorf("%q: got %v, %v", accessKey, read, err)
		}
	}
	secret := key.SecretKey()
	typo := []byte(secret)
	typo[10], typo[11] = 'A'+'B'-min(max(typo[10], 'A'), 'B'), 'A'+'B'-min(max(typo[11], 'A'), 'B')
	for _, test := range []struct{ accessKey, secretKey, want string }{
		{"", "", "the secret key (STRATA_SECRET_KEY) is empty"},
		{key.AccessKey(), " ", "is empty"},
		{"", secret[:len(secret)-1], `want "ssk_" and 48 characters`},
		{"", secret + "A", `want "ssk_" and 48 characters`},
		{"", "xxx" + secret[3:], `want "ssk_" and 48 characters`},
		{"", secret[:20] + "!" + secret[21:], "has a character that is in none"},
		{"", secret[:20] + "\n" + secret[21:], "has a character that is in none"},
		{"", string(typo), "its checksum is wrong"},
		{"sak_short", secret, "the access key (STRATA_ACCESS_KEY) is not one"},
		{strings.ToUpper(key.AccessKey()), secret, "the access key (STRATA_ACCESS_KEY) is not one"},
		{"sak_" + strings.Repeat("1", 24), secret, "the access key (STRATA_ACCESS_KEY) is not one"},
		{secret, key.AccessKey(), "are exchanged"},
		{"", key.AccessKey(), "are exchanged"},
		{other.AccessKey(), secret, "is the one of the access key " + key.AccessKey() + ", and the access key (STRATA_ACCESS_KEY) is " + other.AccessKey()},
	} {
		_, err := Parse(test.accessKey, test.secretKey)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), secret[5:15]) {
			t.Errorf("the error has the secret: %v", err)
		}
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	t.Parallel()
	key := generate(t)
	type holder struct {
		Pointer *Key
		Value   Key
		pointer *Key
		value   Key
	}
	held := holder{key, *key, key, *key}
	var out bytes.Buffer
	for _, v := range []any{key, *key, held, &held, []Key{*key}, map[string]*Key{"a": key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("a key", "key", v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		out.Write(text)
	}
	seed := []byte(key.private()[:8])
	for what, secret := range map[string]string{
		"text":  key.SecretKey()[4:20],
		"bytes": strings.Trim(fmt.Sprintf("%d", seed), "[]"),
		"go":    strings.Trim(fmt.Sprintf("%#v", seed), "[]byte{}"),
		"hex":   hex.EncodeToString(seed),
		"HEX":   fmt.Sprintf("%X", seed),
		"raw":   string(seed),
	} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("the secret is printed as %s:\n%s", what, out.String())
		}
	}
	if text := fmt.Sprintf("%v %v", key, Key{}); text != key.AccessKey()+" no key" {
		t.Errorf("got %q", text)
	}
	if err := json.Unmarshal([]byte(`"sak_"`), &Key{}); err == nil {
		t.Error("a key was read from what is shown of one")
	}
}

func TestNamesAreWellFormed(t *testing.T) {
	t.Parallel()
	for range 100 {
		if name := generate(t).AccessKey(); !WellFormed(name) {
			t.Errorf("%q", name)
		}
	}
}
