package accesskey

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// Names of headers, in canonical form.
const (
	// HeaderInput holds Params.
	HeaderInput = "Signature-Input"
	// HeaderSignature holds a signature's value.
	HeaderSignature = "Signature"
	// HeaderDigest holds the Digest of a request's content, as RFC 9530 has it.
	HeaderDigest = "Content-Digest"
	// HeaderAudience names the server that a request is for.
	HeaderAudience = "Strata-Audience"
	// HeaderServerTime is in each answer to a request that was not authenticated:
	// the server's time, in milliseconds since 1970.
	HeaderServerTime = "Strata-Server-Time"
	// HeaderError is next to it, and says why: "clock_skew", "replayed" or
	// "unauthenticated".
	HeaderError = "Strata-Auth-Error"
)

// ClockSkew is the HeaderError of a signature whose time is not the server's.
const ClockSkew = "clock_skew"

const (
	valuePrefix  = label + ":"
	valueSuffix  = ":"
	digestPrefix = "sha-256=:"
	digestSuffix = ":"
)

var bytesText = base64.StdEncoding.Strict()

// Message is what a signature covers. A Session covers the Audience alone.
type Message struct {
	Method string
	// Path is escaped as it is sent, and has no query.
	Path        string
	ContentType string
	// Digest is that of the content as it is sent: with the envelopes of gRPC and
	// Connect, and compressed if it is.
	Digest   string
	Audience string
}

// Digest returns the header Content-Digest of a request's content.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return digestPrefix + bytesText.EncodeToString(sum[:]) + digestSuffix
}

// Signature is a signature with what it says of itself.
type Signature struct {
	Params
	// Value is the Ed25519 signature of the signature base.
	Value [ed25519.SignatureSize]byte
}

// ParseSignature reads the headers Signature-Input and Signature. It takes what
// Input and Text write, and nothing else. That it can be read says nothing of
// whether it is true.
func ParseSignature(input, value string) (*Signature, error) {
	params, err := parseParams(input)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", HeaderInput, err)
	}
	s := &Signature{Params: params}
	const length = len(valuePrefix) + (ed25519.SignatureSize+2)/3*4 + len(valueSuffix)
	if len(value) != length || !strings.HasPrefix(value, valuePrefix) || !strings.HasSuffix(value, valueSuffix) {
		return nil, fmt.Errorf("%s: want %q, %d bytes in base64, and %q", HeaderSignature, valuePrefix, ed25519.SignatureSize, valueSuffix)
	}
	data, err := bytesText.DecodeString(value[len(valuePrefix) : length-len(valueSuffix)])
	if err != nil || len(data) != ed25519.SignatureSize {
		return nil, fmt.Errorf("%s: not in base64", HeaderSignature)
	}
	copy(s.Value[:], data)
	return s, nil
}

// Text returns the header Signature.
func (s *Signature) Text() string {
	return valuePrefix + bytesText.EncodeToString(s.Value[:]) + valueSuffix
}

// Verify reports whether the signature is one of the message, by the owner of
// the public key. It says nothing of time.
func (s *Signature) Verify(public ed25519.PublicKey, m Message) bool {
	text, err := base(s.Params, m)
	return err == nil && len(public) == ed25519.PublicKeySize && ed25519.Verify(public, text, s.Value[:])
}

// Sign signs a message. The parameters' AccessKey is set, and the Nonce of a
// Request if it is empty. It fails if a signature must not have such parameters,
// or the message can not be signed.
func (k Key) Sign(params Params, m Message) (*Signature, error) {
	params.AccessKey = k.AccessKey()
	if params.Profile == Request && params.Nonce == "" {
		nonce := make([]byte, NonceBytes)
		_, _ = rand.Read(nonce) // never fails
		params.Nonce = nonceText.EncodeToString(nonce)
	}
	if err := params.check(); err != nil {
		return nil, err
	}
	text, err := base(params, m)
	if err != nil {
		return nil, err
	}
	s := &Signature{Params: params}
	copy(s.Value[:], ed25519.Sign(k.private(), text))
	return s, nil
}

// base returns the signature base of RFC 9421, section 2.5: what is signed.
func base(params Params, m Message) ([]byte, error) {
	covered := []component{
		{"@method", m.Method},
		{"@path", m.Path},
		{"content-type", m.ContentType},
		{"content-digest", m.Digest},
		{"strata-audience", m.Audience},
	}
	if params.Profile == Session {
		covered = covered[4:]
	}
	return appendBase(make([]byte, 0, 768), covered, params.text())
}

// component is a part of a message that a signature covers.
type component struct{ name, value string }

func appendBase(b []byte, covered []component, params string) ([]byte, error) {
	for _, c := range covered {
		if !plain(c.value) {
			return nil, fmt.Errorf("%s can not be signed: want 1 to %d printable characters of ASCII", c.name, maxHeaderBytes)
		}
		b = append(append(append(b, '"'), c.name...), `": `...)
		b = append(append(b, c.value...), '\n')
	}
	return append(append(b, `"@signature-params": `...), params...), nil
}

// plain reports whether a value can stand in a line of its own, and is the same
// after a server has read it.
func plain(value string) bool {
	if value == "" || len(value) > maxHeaderBytes || strings.TrimSpace(value) != value {
		return false
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}
