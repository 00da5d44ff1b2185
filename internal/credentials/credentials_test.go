package credentials_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/strata-exp/strata/internal/credentials"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

func generate(t *testing.T) *accesskey.Key {
	t.Helper()
	key, err := accesskey.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func read(t *testing.T, path string) *credentials.File {
	t.Helper()
	f, err := credentials.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func set(t *testing.T, f *credentials.File, server string, key *accesskey.Key) {
	t.Helper()
	if err := f.Set(server, key); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, f *credentials.File) {
	t.Helper()
	if err := f.Write(); err != nil {
		t.Fatal(err)
	}
}

// find returns the access key for a server, or "".
func find(t *testing.T, f *credentials.File, server string) string {
	t.Helper()
	key, err := f.Find(server)
	if err != nil {
		t.Fatal(err)
	}
	if key == nil {
		return ""
	}
	return key.AccessKey()
}

func TestKeysAreKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "strata", "credentials.yaml")
	f, mine, other := read(t, path), generate(t), generate(t)
	if find(t, f, "http://a") != "" {
		t.Error("a file that is not there has a key")
	}
	set(t, f, "http://127.0.0.1:8082", mine)
	set(t, f, "https://strata.example.org/admin/", other)
	write(t, f)

	f = read(t, path)
	for server, want := range map[string]string{
		"http://127.0.0.1:8082":                mine.AccessKey(),
		"http://localhost:8082/":               mine.AccessKey(),
		"http://ann:pw@localhost:8082":         mine.AccessKey(),
		"HTTP://LocalHost:8082":                mine.AccessKey(),
		"http://127.0.0.1:8083":                "",
		"http://127.0.0.1":                     "",
		"https://127.0.0.1:8082":               "",
		"https://strata.example.org/admin":     other.AccessKey(),
		"https://strata.example.org:443/admin": other.AccessKey(),
		"https://strata.example.org":           "",
	} {
		if got := find(t, f, server); got != want {
			t.Errorf("%s: got %q, want %q", server, got, want)
		}
	}
	if err := f.Set("strata", mine); err == nil {
		t.Error("want an error of what is no URL")
	}
}

func TestFileIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "strata", "credentials.yaml")
	f := read(t, path)
	set(t, f, "http://a", generate(t))
	write(t, f)
	write(t, f)
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := credentials.Read(path); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	read(t, path)
}

func TestWriteKeepsLinksAndWhatWasThereIfItFails(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	target, link := filepath.Join(folder, "kept", "mine.yaml"), filepath.Join(folder, "credentials.yaml")
	f := read(t, target)
	set(t, f, "http://a", generate(t))
	write(t, f)
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	f = read(t, link)
	set(t, f, "http://b", generate(t))
	write(t, f)
	if f := read(t, target); find(t, f, "http://a") == "" || find(t, f, "http://b") == "" {
		t.Error("the link was replaced")
	}
	// A folder in the way can not be replaced by a file.
	inTheWay := filepath.Join(folder, "way")
	if err := os.MkdirAll(filepath.Join(inTheWay, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	blocked := filepath.Join(folder, "blocked.yaml")
	f = read(t, blocked)
	if err := os.Rename(inTheWay, blocked); err != nil {
		t.Fatal(err)
	}
	set(t, f, "http://a", generate(t))
	if err := f.Write(); err == nil {
		t.Error("want an error")
	}
	left, err := filepath.Glob(filepath.Join(folder, ".credentials-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestNothingShowsASecret prints everything in every way.
func TestNothingShowsASecret(t *testing.T) {
	t.Parallel()
	path, key := filepath.Join(t.TempDir(), "credentials.yaml"), generate(t)
	f := read(t, path)
	set(t, f, "http://a", key)
	secret := strings.TrimPrefix(key.SecretKey(), "ssk_")[:6]
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		shown = append(shown, fmt.Sprintf(verb, f), fmt.Sprintf(verb, *f), fmt.Sprintf(verb, struct{ f *credentials.File }{f}))
	}
	for _, text := range []string{
		key.SecretKey(),
		"servers: " + key.SecretKey(),
		"servers: *" + key.SecretKey(),
		"servers: {http://a: " + key.SecretKey() + "}",
		"servers: {http://a: {secret: " + key.SecretKey() + "}}",
		"servers: {http://a: {access_key: x, secret_key: [" + key.SecretKey() + "]}}",
		"servers: {http://a: {secret_key: x, secret_key: " + key.SecretKey() + "}}",
		"servers: {" + key.SecretKey() + ": {}}",
		"servers:\n  http://a:\n    access_key: \"\n    secret_key: " + key.SecretKey() + "\n",
		"servers: {http://u:" + key.SecretKey() + "@: {}}",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := credentials.Read(path)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		shown = append(shown, err.Error())
	}
	wrong := key.SecretKey()[:len(key.SecretKey())-4] + "AAAA"
	text := fmt.Sprintf("servers: {http://localhost: {access_key: %s, secret_key: %s}}", key.AccessKey(), wrong)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := read(t, path).Find("http://localhost")
	if err == nil || !strings.HasPrefix(err.Error(), path+": http://127.0.0.1: the secret key (secret_key) ") {
		t.Errorf("got %v", err)
	} else {
		shown = append(shown, err.Error())
	}
	for _, text := range shown {
		if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("a secret shows in %s", text)
		}
	}
}

func TestFilesThatAreNotRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "credentials.yaml")
	for text, want := range map[string]string{
		"servers: {http://localhost:1: {}, http://127.0.0.1:1: {}}": path + ": http://127.0.0.1:1 stands there twice, under two names: remove one",
		"servers:\n  strata: {}\n":                                  path + ": a server is not named by a URL, such as http://127.0.0.1:8082",
		"servers:\n  http://a:\n    key: x\n":                       path + ":3: want servers, and for the URL of each its access_key and secret_key",
		"a: b\n":                                                    path + ":1: want servers, and for the URL of each its access_key and secret_key",
		strings.Repeat("#", 1<<20) + "\n":                           path + " is longer than 1048576 bytes",
		"":                                                          "",
		"# nothing yet\n":                                           "",
		"servers:\n":                                                "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := credentials.Read(path)
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := credentials.Read(t.TempDir()); err == nil {
		t.Error("want an error of a folder")
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	named, err := credentials.Path(func(name string) (string, bool) { return "/k/" + name, true })
	if err != nil || named != "/k/STRATA_CREDENTIALS_FILE" {
		t.Errorf("got %s, %v", named, err)
	}
	usual, err := credentials.Path(func(string) (string, bool) { return "", false })
	if want := filepath.Join("strata", "credentials.yaml"); err == nil && !strings.HasSuffix(usual, want) {
		t.Errorf("got %s", usual)
	}
}
