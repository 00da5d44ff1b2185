// Package credentials keeps access keys of people in a file of their own, one
// for each server, so that programs on their machine can sign what they send.
//
// It refuses to read what others may read, and what it can not read as a whole.
// However a File is printed or logged, and whatever an error quotes, no secret is
// seen.
package credentials
