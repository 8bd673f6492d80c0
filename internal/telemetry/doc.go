// Package telemetry says what the server does, for those who watch it: numbers for
// Prometheus, and spans for an OpenTelemetry collector. It knows the names, labels
// and units. It must not know what it counts: others tell it plain numbers and
// words. What may be a label is from a set that the server itself makes, such as
// routes and chains; never an id, an address, a URL or anybody's text.
package telemetry
