// Package store keeps everything in SQL: payments and their facts, merchants,
// webhook deliveries, jobs and cursors. It implements the ports that checkout,
// merchant, webhook and job declare, with one SQL text for SQLite and for
// PostgreSQL. It decides nothing: what a payment's state is, it is told.
//
// On SQLite all writes go through one connection, and writes that wait at the
// same time share a commit. On PostgreSQL every write is a transaction of its
// own, but for those that only insert: they share a message and a commit, as
// look-ups share a message. What differs between the two lives in sqlite.go and
// postgres*.go and nowhere else.
package store
