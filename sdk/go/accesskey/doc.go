// Package accesskey is how services prove to Strata who they are: access keys,
// the signatures that are made with them, and a transport that signs requests.
//
// An access key is the public half of an Ed25519 key pair, named by its
// fingerprint; the secret key never leaves its owner. Signatures are HTTP
// message signatures of RFC 9421 in one of two fixed forms: one that covers a
// single request and is good once, and one that covers the audience alone and
// opens a session of at most ten minutes. What is in neither form, byte for
// byte, is no signature.
package accesskey
