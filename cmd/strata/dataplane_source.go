package main

import (
	"github.com/spf13/pflag"

	"github.com/strata-exp/strata/internal/settings"
)

func (f *dataplaneFlags) registerFiles(flags *pflag.FlagSet) {
	c := &f.config.Files
	flags.StringVar(&c.LayersDir, "layers-dir", c.LayersDir, "`folder` of the layers (also LAYERS_DIR)")
	flags.StringVar(&c.ExperimentsDir, "experiments-dir", c.ExperimentsDir, "`folder` of the experiments (also EXPERIMENTS_DIR)")
	flags.StringVar(&c.FieldsFile, "fields-file", c.FieldsFile,
		"`file` of the declared context fields (also FIELDS_FILE); default fields.json, .yaml or .yml beside the folder of layers")
	settings.Alias(flags, "layers-dir", "LAYERS_DIR")
	settings.Alias(flags, "experiments-dir", "EXPERIMENTS_DIR")
	settings.Alias(flags, "fields-file", "FIELDS_FILE")
}

func (f *dataplaneFlags) registerStream(flags *pflag.FlagSet) {
	c := &f.config.Stream
	flags.StringVar(&c.URL, "control-plane", c.URL, "`URL` of the config stream to follow: a control plane's, or another data plane")
	flags.StringSliceVar(&c.Services, "services", c.Services, "the only `services` to serve; default all that the key allows")
	flags.StringVar(&c.AccessKey, "access-key", c.AccessKey, "access `key` to sign with; default that of the secret key")
	flags.StringVar(&c.SecretKey, "secret-key", c.SecretKey, "secret `key` to sign with; better given as STRATA_SECRET_KEY or in a file")
	flags.StringVar(&f.secretKeyFile, "secret-key-file", "", "`file` of the secret key")
	flags.StringVar(&c.Audience, "upstream-audience", c.Audience, "`name` that the followed server goes by: control-plane, or data-plane")
	flags.StringVar(&c.CAFile, "control-plane-ca-file", c.CAFile, "`file` of the certificates that the followed server is known by; default the system's")
	flags.BoolVar(&c.HTTP2, "upstream-http2", c.HTTP2, "follow over HTTP/2 where there is no TLS")
	flags.StringVar(&c.CacheDir, "cache-dir", c.CacheDir, "`folder` for the last good configuration, to start from while nothing can be reached")
	flags.StringVar(&c.Instance, "instance", c.Instance, "`name` that tells this data plane from all others; default the host's")
	settings.Secret(flags, "secret-key")
}

func (f *dataplaneFlags) registerEtcd(flags *pflag.FlagSet) {
	c := &f.config.Etcd
	flags.StringSliceVar(&c.Endpoints, "etcd-endpoints", c.Endpoints, "`URLs` of the members of the etcd cluster")
	flags.StringVar(&c.Prefix, "etcd-prefix", c.Prefix, "what the `keys` of the configuration begin with")
	flags.StringVar(&c.CAFile, "etcd-ca-file", c.CAFile, "`file` of the certificates that the members are known by; default the system's")
	flags.StringVar(&c.CertFile, "etcd-cert-file", c.CertFile, "`file` of the certificate that the members know this client by")
	flags.StringVar(&c.KeyFile, "etcd-key-file", c.KeyFile, "`file` of its key")
	flags.StringVar(&c.Username, "etcd-username", c.Username, "`name` to log in with")
	flags.StringVar(&c.Password, "etcd-password", c.Password, "its `password`; better given as STRATA_ETCD_PASSWORD or in a file")
	flags.StringVar(&c.PasswordFile, "etcd-password-file", c.PasswordFile, "`file` of the password")
	settings.Secret(flags, "etcd-password")
}

func (f *dataplaneFlags) registerConsul(flags *pflag.FlagSet) {
	c := &f.config.Consul
	flags.StringVar(&c.Addr, "consul-addr", c.Addr, "`URL` of the Consul agent")
	flags.StringVar(&c.Prefix, "consul-prefix", c.Prefix, "what the `keys` of the configuration begin with")
	flags.StringVar(&c.Token, "consul-token", c.Token, "ACL `token`; better given as STRATA_CONSUL_TOKEN or in a file")
	flags.StringVar(&c.TokenFile, "consul-token-file", c.TokenFile, "`file` of the token")
	flags.StringVar(&c.Datacenter, "consul-datacenter", c.Datacenter, "`name` of the datacenter; default the agent's")
	flags.StringVar(&c.CAFile, "consul-ca-file", c.CAFile, "`file` of the certificates that the agent is known by; default the system's")
	flags.StringVar(&c.CertFile, "consul-cert-file", c.CertFile, "`file` of the certificate that the agent knows this client by")
	flags.StringVar(&c.KeyFile, "consul-key-file", c.KeyFile, "`file` of its key")
	settings.Secret(flags, "consul-token")
}
