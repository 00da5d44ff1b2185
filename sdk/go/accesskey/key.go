package accesskey

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

const (
	// AccessKeyVariable is the environment variable that holds the access key.
	AccessKeyVariable = "STRATA_ACCESS_KEY"
	// SecretKeyVariable is the environment variable that holds the secret key.
	SecretKeyVariable = "STRATA_SECRET_KEY"
)

const (
	accessPrefix = "sak_"
	secretPrefix = "ssk_"
	// fingerprintBytes is a whole number of base32 characters.
	fingerprintBytes = 15
	accessKeyBytes   = len(accessPrefix) + fingerprintBytes*8/5
	// checksumBytes is what tells a secret key from one with a typo, and from
	// other text that looks like it.
	checksumBytes  = 4
	secretKeyBytes = len(secretPrefix) + (ed25519.SeedSize+checksumBytes)*4/3
	checksumDomain = "strata secret key"
)

const fingerprintLetters = "abcdefghijklmnopqrstuvwxyz234567"

var (
	fingerprint = base32.NewEncoding(fingerprintLetters).WithPadding(base32.NoPadding)
	secretText  = base64.RawURLEncoding.Strict()
)

// Key is an access key together with its secret key. However it is printed,
// logged or encoded, only the access key is seen. It never changes, and is safe
// for concurrent use. It comes from Parse or Generate.
type Key struct {
	accessKey string
	public    ed25519.PublicKey
	// private stands behind a function: of a Key in an unexported field, fmt prints
	// what is in it whatever its methods say, and it follows pointers.
	private func() ed25519.PrivateKey
}

// Generate makes a key.
func Generate() (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return newKey(private), nil
}

// Parse reads a secret key, and the access key that it has to belong to; if that
// is empty, it is the one of the secret key. White space around them does not
// count. Errors say which environment variable the value is expected in, and
// nothing of a secret.
func Parse(accessKey, secretKey string) (*Key, error) {
	accessKey, secretKey = strings.TrimSpace(accessKey), strings.TrimSpace(secretKey)
	switch {
	case strings.HasPrefix(accessKey, secretPrefix) || strings.HasPrefix(secretKey, accessPrefix):
		return nil, fmt.Errorf("the access key and the secret key are exchanged: %s begins with %q, %s with %q",
			AccessKeyVariable, accessPrefix, SecretKeyVariable, secretPrefix)
	case secretKey == "":
		return nil, fmt.Errorf("the secret key (%s) is empty", SecretKeyVariable)
	case len(secretKey) != secretKeyBytes || !strings.HasPrefix(secretKey, secretPrefix):
		return nil, fmt.Errorf("the secret key (%s) is not one: want %q and %d characters",
			SecretKeyVariable, secretPrefix, secretKeyBytes-len(secretPrefix))
	case accessKey != "" && !WellFormed(accessKey):
		return nil, fmt.Errorf("the access key (%s) is not one: want %q and %d characters of a-z and 2-7",
			AccessKeyVariable, accessPrefix, accessKeyBytes-len(accessPrefix))
	}
	data, err := secretText.DecodeString(secretKey[len(secretPrefix):])
	if err != nil || len(data) != ed25519.SeedSize+checksumBytes {
		return nil, fmt.Errorf("the secret key (%s) has a character that is in none: want A-Z, a-z, 0-9, - and _", SecretKeyVariable)
	}
	seed := data[:ed25519.SeedSize]
	if !bytes.Equal(checksum(seed), data[ed25519.SeedSize:]) {
		return nil, fmt.Errorf("the secret key (%s) is not as it was made: its checksum is wrong", SecretKeyVariable)
	}
	key := newKey(ed25519.NewKeyFromSeed(seed))
	if accessKey != "" && accessKey != key.AccessKey() {
		return nil, fmt.Errorf("the secret key (%s) is the one of the access key %s, and the access key (%s) is %s",
			SecretKeyVariable, key.AccessKey(), AccessKeyVariable, accessKey)
	}
	return key, nil
}

func newKey(private ed25519.PrivateKey) *Key {
	public := ed25519.PublicKey(slices.Clone(private[ed25519.SeedSize:]))
	return &Key{accessKey: Name(public), public: public, private: func() ed25519.PrivateKey { return private }}
}

func checksum(seed []byte) []byte {
	sum := sha256.Sum256(append([]byte(checksumDomain), seed...))
	return sum[:checksumBytes]
}

// Name returns the access key of a public key: "sak_" and its fingerprint.
func Name(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return accessPrefix + fingerprint.EncodeToString(sum[:fingerprintBytes])
}

// WellFormed reports whether text could be an access key.
func WellFormed(text string) bool {
	if len(text) != accessKeyBytes || !strings.HasPrefix(text, accessPrefix) {
		return false
	}
	for _, letter := range []byte(text[len(accessPrefix):]) {
		if strings.IndexByte(fingerprintLetters, letter) < 0 {
			return false
		}
	}
	return true
}

// AccessKey returns the key's name. It is no secret.
func (k Key) AccessKey() string { return k.accessKey }

// PublicKey returns what verifies the key's signatures. It must not be changed.
func (k Key) PublicKey() ed25519.PublicKey { return k.public }

// SecretKey returns the secret. Whoever has it is the key's owner to all servers.
func (k Key) SecretKey() string {
	seed := k.private().Seed()
	return secretPrefix + secretText.EncodeToString(append(seed, checksum(seed)...))
}

// Format implements fmt.Formatter, for all verbs.
func (k Key) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, k.shown()) }

// LogValue implements slog.LogValuer.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.shown()) }

// MarshalText implements encoding.TextMarshaler, and so how JSON and YAML show
// the key.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.shown()), nil }

// UnmarshalText fails: what MarshalText shows is not a key.
func (k Key) UnmarshalText([]byte) error {
	return errors.New("a key is not read from text: use Parse")
}

func (k Key) shown() string {
	if k.private == nil {
		return "no key"
	}
	return k.accessKey
}
