// Package fleet runs the whole system on this machine, for tests that break it:
// a private PostgreSQL, control planes and data planes as processes of their own,
// followers, publishers and load, with a history of what all of them saw. Nothing
// outside the machine is reached, every wait is bounded, and only processes that
// it started are ended, by their id.
package fleet
