package main

import (
	"fmt"
	"os"

	"github.com/strata-exp/strata/internal/credentials"
	"github.com/strata-exp/strata/sdk/go/accesskey"
)

// secretFileVariable names a file that holds the secret key alone, as
// orchestrators hand secrets over.
const secretFileVariable = accesskey.SecretKeyVariable + "_FILE"

// findKey finds the key for the server: that of the environment, else that of the
// credentials file, else none. Flags hold no secrets, as others can see them.
func (c *connection) findKey() (err error) {
	c.key, c.keySource, err = c.environmentKey()
	if err != nil || c.key != nil {
		return err
	}
	file, err := c.credentials()
	if err != nil {
		return err
	}
	c.keySource = file.Path()
	c.key, err = file.Find(c.server)
	return err
}

// environmentKey finds the key of the environment; nil if there is none.
func (c *connection) environmentKey() (*accesskey.Key, string, error) {
	access, _ := c.env(accesskey.AccessKeyVariable)
	secret, _ := c.env(accesskey.SecretKeyVariable)
	path, _ := c.env(secretFileVariable)
	switch {
	case secret != "" && path != "":
		return nil, "", fmt.Errorf("want %s or %s, not both", accesskey.SecretKeyVariable, secretFileVariable)
	case path != "":
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", secretFileVariable, err)
		}
		if secret = string(data); secret == "" {
			return nil, "", fmt.Errorf("%s: %s is empty", secretFileVariable, path)
		}
	case secret == "" && access != "":
		return nil, "", fmt.Errorf("%s is set, and its secret is not: set %s or %s, too",
			accesskey.AccessKeyVariable, accesskey.SecretKeyVariable, secretFileVariable)
	case secret == "":
		return nil, "", nil
	}
	key, err := accesskey.Parse(access, secret)
	return key, accesskey.AccessKeyVariable, err
}

// credentials reads the credentials file.
func (c *connection) credentials() (*credentials.File, error) {
	path, err := credentials.Path(c.env)
	if err != nil {
		return nil, err
	}
	return credentials.Read(path)
}
