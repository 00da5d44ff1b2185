package accesskey

import "time"

// Profile is one of the forms of a signature.
type Profile uint8

const (
	// Request covers one request: its method, path, type and content. It is good
	// once, and for at most MaxRequestLifetime.
	Request Profile = iota + 1
	// Session covers the audience alone, and can be used again until it ends, at
	// most SessionLifetime later. Whoever sees it can use it, so that it is for
	// connections that are encrypted, and for calls that change nothing.
	Session
)

const (
	// RequestLifetime is for how long a Request is made.
	RequestLifetime = time.Minute
	// MaxRequestLifetime is for how long a Request may be made.
	MaxRequestLifetime = 5 * time.Minute
	// SessionLifetime is for how long a Session is made, and may be made.
	SessionLifetime = 10 * time.Minute
)

// form is what never changes in the signatures of a profile. It is part of the
// contract with all other SDKs.
type form struct {
	tag         string
	components  string
	maxLifetime int64 // in seconds
}

var forms = map[Profile]form{
	Request: {
		tag:         "strata-req-v1",
		components:  `("@method" "@path" "content-type" "content-digest" "strata-audience")`,
		maxLifetime: int64(MaxRequestLifetime / time.Second),
	},
	Session: {
		tag:         "strata-sess-v1",
		components:  `("strata-audience")`,
		maxLifetime: int64(SessionLifetime / time.Second),
	},
}

// String returns the profile's tag, such as "strata-req-v1".
func (p Profile) String() string { return forms[p].tag }
