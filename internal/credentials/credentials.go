package credentials

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// PathVariable is the environment variable that names the file.
const PathVariable = "STRATA_CREDENTIALS_FILE"

// maxBytes is more than the keys of a thousand servers.
const maxBytes = 1 << 20

// Path returns where the file is: where STRATA_CREDENTIALS_FILE says, else
// strata/credentials.yaml in the folder of the user's settings. lookup finds
// environment variables, as os.LookupEnv does.
func Path(lookup func(name string) (string, bool)) (string, error) {
	if path, _ := lookup(PathVariable); path != "" {
		return path, nil
	}
	folder, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("there is no folder of settings for the file of access keys, name one by %s: %w", PathVariable, err)
	}
	return filepath.Join(folder, "strata", "credentials.yaml"), nil
}

// File is the keys of a file. It is not safe for concurrent use, and knows
// nothing of what others write to the file meanwhile: what it writes is all there
// is then.
type File struct {
	path    string
	servers map[string]entry // by their normal URL
}

// entry is the keys for a server as they are written, which may be wrong. The
// secret is behind a pointer, which fmt does not follow this deep.
type entry struct {
	access string
	secret *string
}

// document is the file.
type document struct {
	Servers map[string]keys `yaml:"servers"`
}

type keys struct {
	AccessKey string `yaml:"access_key"`
	SecretKey string `yaml:"secret_key"`
}

// Read reads a file. One that does not exist is empty. The error says what to do
// if others may read the file, or if it is not as it has to be.
func Read(path string) (*File, error) {
	data, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &File{path, map[string]entry{}}, nil
	} else if err != nil {
		return nil, err
	}
	var d document
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&d); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s%s: want servers, and for the URL of each its access_key and secret_key", path, line(err))
	}
	f := &File{path, make(map[string]entry, len(d.Servers))}
	for _, server := range slices.Sorted(maps.Keys(d.Servers)) {
		address, err := normal(server)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if _, twice := f.servers[address]; twice {
			return nil, fmt.Errorf("%s: %s stands there twice, under two names: remove one", path, address)
		}
		pair := d.Servers[server]
		f.servers[address] = entry{pair.AccessKey, &pair.SecretKey}
	}
	return f, nil
}

// readPrivate reads a file that nobody but its owner may read or write.
func readPrivate(path string) (data []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s has secret keys, and others may read or change it (mode %04o): chmod 600 %s", path, mode, path)
	}
	if data, err = io.ReadAll(io.LimitReader(file, maxBytes+1)); err != nil {
		return nil, err
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxBytes)
	}
	return data, nil
}

var lineNumber = regexp.MustCompile(`line (\d+)`)

// line returns where an error of YAML is, as in ":3". The rest of the error may
// quote a secret.
func line(err error) string {
	if match := lineNumber.FindStringSubmatch(err.Error()); match != nil {
		return ":" + match[1]
	}
	return ""
}

// normal returns the URL by which a server is known here, whoever wrote it how.
// localhost is 127.0.0.1, and a user's name does not count.
func normal(server string) (string, error) {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return "", errors.New("a server is not named by a URL, such as http://127.0.0.1:8082")
	}
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	switch {
	case host == "localhost":
		host = "127.0.0.1"
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	if port != "" && port != map[string]string{"http": "80", "https": "443"}[scheme] {
		host += ":" + port
	}
	return scheme + "://" + host + strings.TrimRight(u.EscapedPath(), "/"), nil
}

// Path returns where the file is.
func (f *File) Path() string { return f.path }

// Find returns the key for a server; nil if there is none. It fails if what the
// file has for it is no key.
func (f *File) Find(server string) (*accesskey.Key, error) {
	address, err := normal(server)
	if err != nil {
		return nil, err
	}
	e, there := f.servers[address]
	if !there {
		return nil, nil //nolint:nilnil // that there is none is no error
	}
	key, err := accesskey.Parse(e.access, *e.secret)
	if err != nil {
		inFile := strings.NewReplacer(accesskey.AccessKeyVariable, "access_key", accesskey.SecretKeyVariable, "secret_key")
		return nil, fmt.Errorf("%s: %s: %s", f.path, address, inFile.Replace(err.Error()))
	}
	return key, nil
}

// Set makes a key the one for a server. Write keeps it.
func (f *File) Set(server string, key *accesskey.Key) error {
	address, err := normal(server)
	if err == nil {
		f.servers[address] = entry{key.AccessKey(), new(key.SecretKey())}
	}
	return err
}

// Write writes the file: whole or not at all, for its owner alone, in a folder
// that is made for the owner alone if it is not there.
func (f *File) Write() (err error) {
	path := f.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link stays one
	}
	d := document{make(map[string]keys, len(f.servers))}
	for server, e := range f.servers {
		d.Servers[server] = keys{e.access, *e.secret}
	}
	var text bytes.Buffer
	text.WriteString("# Access keys with their secrets, by server. Written by strata.\n")
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(d), encoder.Close()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".credentials-*") // which is for its owner alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	_, err = file.Write(text.Bytes())
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
