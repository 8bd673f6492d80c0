// Package carry takes everything of one database to another, into a file, and
// back. It goes by what the databases' own catalogues say, all tables and all
// columns, so that a migration never has to tell it of a new one, and believes
// nothing it has written until it has read it back.
//
//	catalogue.go, rows.go        what there is, and rows as bytes and checksums
//	sqlite.go, postgres.go       the two engines
//	target.go                    which databases may be filled
//	move.go, compare.go          a running shop's way from SQLite to PostgreSQL
//	format.go, backup.go         files
//	restore.go, settle.go        and back; what must not happen a second time
//
// It must not know what rows mean, beyond the few that settle.go says why.
package carry
