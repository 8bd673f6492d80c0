// Package chaostest runs the real program, as one or more processes on one database,
// under load and faults at random moments, and says afterwards whether anything was lost,
// doubled or slow to come back. It knows the wire of the three dialects, the tables' names,
// and signals; nothing but tests may import it. Random choices come from one seed, so the
// same seed makes the same plan; the moments are real time.
package chaostest
