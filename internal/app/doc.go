// Package app is the composition root: it opens the store, builds chains, rails,
// scanners, workers and the web server from a configuration, and says what has
// to run. It is the only package that knows all the others, and it decides
// nothing itself.
package app
