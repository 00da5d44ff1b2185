package dataplane_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestMetricsOfTheDocsExist looks for each metric that docs/dataplane.md lists on
// a data plane that has done something of everything.
func TestMetricsOfTheDocsExist(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	u.publish(1, "a")
	p := follow(t, "http://"+u.addr, "control-plane", u.key)
	p.until(`"status":"healthy"`, `"stale_seconds"`)
	p.post("/experiment", strings.Replace(request, `{`, `{"exposures": 1, `, 1))
	p.post("/experiment", `{}`)

	page, err := os.ReadFile("../docs/dataplane.md")
	if err != nil {
		t.Fatal(err)
	}
	_, data := p.do(http.MethodGet, p.metrics+"/metrics", "", nil)
	row := regexp.MustCompile("(?m)^\\| `(?:experiment|strata)_.*?\\|")
	name := regexp.MustCompile("`([a-z_]+)`")
	found := 0
	for _, cell := range row.FindAllString(string(page), -1) {
		for _, match := range name.FindAllStringSubmatch(cell, -1) {
			found++
			if !strings.Contains(string(data), "\n# TYPE "+match[1]+" ") && !strings.HasPrefix(string(data), "# TYPE "+match[1]+" ") {
				t.Errorf("there is no metric %s", match[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("found only %d metrics in the page", found)
	}
}
