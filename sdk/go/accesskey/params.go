package accesskey

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// NonceBytes is how long a nonce is before it is written as text.
	NonceBytes = 16
	// maxHeaderBytes is how long a header of a signature may be.
	maxHeaderBytes = 1024
	// maxTime is the last second of the year 9999.
	maxTime = 253402300799

	label = "strata="
)

var nonceText = base64.RawURLEncoding.Strict()

// Params are what a signature says of itself.
type Params struct {
	// Profile is its form.
	Profile Profile
	// Created is when it was made, in seconds since 1970.
	Created int64
	// Expires is from when on it is no longer good, in seconds since 1970.
	Expires int64
	// Nonce tells a Request from all others of its key: 16 bytes in base64url. A
	// Session has none.
	Nonce string
	// AccessKey is whose it is.
	AccessKey string
}

// Input returns the header Signature-Input.
func (p Params) Input() string { return label + p.text() }

// text returns the value of @signature-params.
func (p Params) text() string {
	b := make([]byte, 0, 320)
	b = append(b, forms[p.Profile].components...)
	b = strconv.AppendInt(append(b, ";created="...), p.Created, 10)
	b = strconv.AppendInt(append(b, ";expires="...), p.Expires, 10)
	if p.Profile == Request {
		b = append(append(append(b, `;nonce="`...), p.Nonce...), '"')
	}
	b = append(append(b, `;keyid="`...), p.AccessKey...)
	b = append(append(b, `";alg="ed25519";tag="`...), forms[p.Profile].tag...)
	return string(append(b, '"'))
}

// check finds what no signature may say.
func (p Params) check() error {
	form, known := forms[p.Profile]
	switch {
	case !known:
		return errors.New("no such profile")
	case p.Created < 0 || p.Expires > maxTime:
		return errors.New("created and expires are seconds since 1970")
	case p.Expires <= p.Created || p.Expires-p.Created > form.maxLifetime:
		return fmt.Errorf("expires has to be 1 to %d seconds after created", form.maxLifetime)
	case p.Profile == Request && !wellFormedNonce(p.Nonce):
		return fmt.Errorf("the nonce has to be %d bytes in base64url without padding", NonceBytes)
	case p.Profile == Session && p.Nonce != "":
		return errors.New("a session has no nonce")
	case !WellFormed(p.AccessKey):
		return errors.New("keyid is not an access key")
	}
	return nil
}

func wellFormedNonce(nonce string) bool {
	data, err := nonceText.DecodeString(nonce)
	return err == nil && len(data) == NonceBytes && len(nonce) == nonceText.EncodedLen(NonceBytes)
}

// parseParams reads the header Signature-Input. It takes what Input writes, and
// nothing else.
func parseParams(input string) (Params, error) {
	p := Params{Profile: Session}
	if len(input) > maxHeaderBytes {
		return Params{}, fmt.Errorf("it is longer than %d bytes", maxHeaderBytes)
	}
	text := strings.TrimPrefix(input, label)
	if strings.HasPrefix(text, forms[Request].components+";") {
		p.Profile = Request
	}
	read := &reader{rest: text}
	read.literal(forms[p.Profile].components + ";created=")
	p.Created = read.seconds()
	read.literal(";expires=")
	p.Expires = read.seconds()
	if p.Profile == Request {
		read.literal(`;nonce="`)
		p.Nonce = read.quoted()
	}
	read.literal(`;keyid="`)
	p.AccessKey = read.quoted()
	read.literal(`;alg="ed25519";tag="` + forms[p.Profile].tag + `"`)
	if read.failed || read.rest != "" || len(text) == len(input) {
		return Params{}, fmt.Errorf("it is in the form of neither %s nor %s", Request, Session)
	}
	return p, p.check()
}

// reader reads a header from left to right. Once something is not as it has to
// be, it has failed.
type reader struct {
	rest   string
	failed bool
}

func (r *reader) literal(text string) {
	rest, found := strings.CutPrefix(r.rest, text)
	r.rest, r.failed = rest, r.failed || !found
}

// seconds reads a number in its shortest form.
func (r *reader) seconds() int64 {
	end := 0
	for end < len(r.rest) && r.rest[end] >= '0' && r.rest[end] <= '9' {
		end++
	}
	digits := r.rest[:end]
	n, err := strconv.ParseInt(digits, 10, 64)
	r.failed = r.failed || err != nil || (len(digits) > 1 && digits[0] == '0')
	r.rest = r.rest[end:]
	return n
}

// quoted reads up to a quotation mark, and over it. What it returns still has to
// be looked at.
func (r *reader) quoted() string {
	text, rest, found := strings.Cut(r.rest, `"`)
	r.rest, r.failed = rest, r.failed || !found
	return text
}
