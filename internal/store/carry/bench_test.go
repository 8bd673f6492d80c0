package carry

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"quittance/internal/pgtest"
)

// benched is how many payments benchmarks have.
const benched = 100_000

// big is a shop of so many payments, each with what a paid one has.
func big(b *testing.B) string {
	b.Helper()
	of := []string{"payments", "requests", "handles", "transfers", "events", "deliveries", "feed", "idempotency"}
	return filledWith(b, newFile(b), func(table string) int {
		switch {
		case slices.Contains(of, table):
			return benched
		case table == "merchants": // the other rows refer to one each
			return benched
		}
		return 10
	})
}

// BenchmarkMove measures how long writes are refused. Run it with -benchtime 1x.
func BenchmarkMove(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		from, to := big(b), pgtest.DSN(b)
		b.StartTimer()
		began := time.Now()
		r, err := Move{From: from, To: to}.Run(b.Context())
		must(b, err)
		b.ReportMetric(float64(r.Rows)/time.Since(began).Seconds(), "rows/s")
	}
}

// BenchmarkBackup measures a backup with its reading back, and a restore to either engine.
func BenchmarkBackup(b *testing.B) {
	from := big(b)
	for b.Loop() {
		file := filepath.Join(b.TempDir(), "b")
		began := time.Now()
		s, err := Backup{From: from, File: file}.Run(b.Context())
		must(b, err)
		b.ReportMetric(float64(s.Rows)/time.Since(began).Seconds(), "rows/s")
		b.ReportMetric(float64(s.Bytes)/float64(s.Rows), "B/row")
		for name, target := range engines {
			to := target(b)
			began = time.Now()
			_, err := Restore{File: file, To: to}.Run(b.Context())
			must(b, err)
			b.ReportMetric(float64(s.Rows)/time.Since(began).Seconds(), name+"-rows/s")
		}
	}
}
