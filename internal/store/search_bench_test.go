package store_test

import (
	"cmp"
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/store"
)

// BenchmarkSearches looks for texts among the payments of one merchant, before and after
// they are packed, and by looking at each of them. QUITTANCE_BENCH_SEARCHED says how many
// are archived; a hundredth as many are not.
func BenchmarkSearches(b *testing.B) {
	count, _ := strconv.Atoi(cmp.Or(os.Getenv("QUITTANCE_BENCH_SEARCHED"), "150000"))
	databases(b, func(b *testing.B, dsn string) {
		ofOne := strings.NewReplacer("n % 10 < 2 ", "n % 10 < 20 ", " % 20)", " % 1)")
		g := &grown{bench: newBench(b, dsn), used: usedCPU(b, dsn)}
		g.fill(b, strings.HasPrefix(dsn, "postgres"), count, ofOne.Replace)
		if err := store.Script(b.Context(), g.Store, `ANALYZE`); err != nil {
			b.Fatal(err)
		}
		b.Run("plainly", func(b *testing.B) { g.searches(b, true, looked) })
		b.Run("unpacked", func(b *testing.B) { g.searches(b, false, looked[:1]) })
		g.pack(b)
		b.Run("packed", func(b *testing.B) { g.searches(b, false, looked) })
	})
}

// pack packs all texts, as is done in the background.
func (g *grown) pack(b *testing.B) {
	b.Helper()
	began, before := time.Now(), g.used()
	n, err := g.Pack(b.Context(), func(time.Duration) bool { return true })
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%d packed after %v, %v of CPU", n, time.Since(began), g.used()-before)
}

// looked is what is searched for: what none has, one, few, most and all have.
var looked = []string{"nobody has this", "0x00019945ca26200000", "order 77", "7", "0x"}

func (g *grown) searches(b *testing.B, plainly bool, texts []string) {
	for _, text := range texts {
		b.Run(text, func(b *testing.B) {
			g.look(b, func(g *grown, ctx context.Context) (int, error) {
				if plainly {
					return store.CountPlainly(ctx, g.Store, closedMerchant(0), "spacepay", text)
				}
				_, total, err := g.List(ctx, checkout.Listing{Merchant: closedMerchant(0), Dialect: "spacepay", Search: text, Limit: 20})
				return total, err
			})
		})
	}
}
