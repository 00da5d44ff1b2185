package controlplane

import (
	"net"
	"net/http"
)

// local stands before an API that asks nobody who they are. It takes requests
// only if they name this machine as their host and do not come from another
// site, so that a page in a browser on this machine can not use the API, not
// even by a name that its owner points here.
func local(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !loopback(host) {
			http.Error(w, "the admin API answers only under a name of this machine, such as localhost", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	}))
}
