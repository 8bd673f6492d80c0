package store_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/store"
)

// closedSQL fills tables with closed payments; see the file.
//
//go:embed testdata/closed.sql
var closedSQL string

// hotShare is of how many archived payments there is one that is closed and not archived yet.
const hotShare = 100

// closedText is the loader for payments from one number to another, made so long after
// one another, in one of the two places.
func closedText(postgres bool, old string, from, to, first, apart int) string {
	words := regexp.MustCompile(`\{\{(\w+)(?: ([^{}]*))?\}\}`)
	hex := func(n string) string {
		if postgres {
			return `LPAD(TO_HEX(` + n + `), 16, '0')`
		}
		return `PRINTF('%016x', ` + n + `)`
	}
	digits := func(n string) string {
		if postgres {
			return `LPAD(CAST(` + n + ` AS TEXT), 20, '0')`
		}
		return `PRINTF('%020d', ` + n + `)`
	}
	prefix := `01B000`
	if old != "" {
		prefix = `01A000`
	}
	return words.ReplaceAllStringFunc(closedSQL, func(word string) string {
		m := words.FindStringSubmatch(word)
		n := `CAST(` + m[2] + ` AS BIGINT)`
		name := hex(n+` * 900000000000`) + ` || ` + hex(n+` * 829382734829`)
		switch m[1] {
		case "OLD":
			return old
		case "NUMBERS":
			return fmt.Sprintf(`(WITH RECURSIVE g (n) AS (SELECT CAST(%d AS BIGINT) UNION ALL SELECT n + 1 FROM g WHERE n < %d) SELECT n FROM g) g`, from, to)
		case "AT":
			return fmt.Sprintf(`(%d + %s * %d)`, first, n, apart)
		case "ID":
			return `'` + prefix + `' || ` + digits(n)
		case "MERCHANT":
			return `'` + string(closedMerchant(0))[:14] + `' || (100000000000 + ` + n + ` % 20)`
		case "HEX":
			return `(` + name + `)`
		case "ADDRESS":
			return `('0x' || ` + name + ` || '00000000')`
		}
		return word
	})
}

// closedMerchant is one of the twenty whom the payments of the loader belong to.
func closedMerchant(n int) payment.MerchantID {
	return payment.MerchantID("01A000MERCHANT" + strconv.Itoa(100_000_000_000+n))
}

// grown is a store for measuring, and payments and handles in it.
type grown struct {
	*bench
	ids   []payment.ID
	asked []string // ids of their requests
	mine  []string // their handles
	chain asset.ChainID
	block uint64
	used  func() time.Duration // the processor's time: of this process, and of a database's own
}

func newGrown(b *testing.B, dsn string) *grown {
	b.Helper()
	g := &grown{bench: newBench(b, dsn), block: uint64(time.Now().UnixMicro()), chain: asset.ChainID(time.Now().Unix())}
	g.used = usedCPU(b, dsn)
	g.follow(b)
	for range 2000 {
		g.ids = append(g.ids, g.create(b))
	}
	for _, id := range g.ids {
		p, err := g.Payment(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		g.asked, g.mine = append(g.asked, p.Terms.Requests[0].ID), append(g.mine, p.Terms.Requests[0].Topic)
	}
	// A PostgreSQL that does not know how many rows there are yet reads all of them.
	if err := store.Script(b.Context(), g.Store, `ANALYZE handles`); err != nil {
		b.Fatal(err)
	}
	return g
}

// follow lets a store know the archive's marks, and waits until it does.
func (g *grown) follow(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	var done sync.WaitGroup
	began, before := time.Now(), g.used()
	done.Go(func() {
		if err := g.FollowMarks(ctx); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() { cancel(); done.Wait() })
	for known := false; !known; time.Sleep(time.Millisecond) {
		var err error
		if known, err = store.KnowsMarks(b.Context(), g.Store); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("marks known after %v, %v of CPU", time.Since(began), g.used()-before)
}

// sweep is what one range of blocks makes the store do: so many calls that name a request,
// five of them ours, of which one pays.
func (g *grown) sweep(b *testing.B, n, calls int) {
	ctx, now := b.Context(), time.Now().UTC()
	handles := make([]string, calls)
	for i := range handles {
		if handles[i] = "0x" + randomHex(32); i < 5 {
			handles[i] = g.mine[(n*5+i)%len(g.mine)]
		}
	}
	if mine, err := g.Owners(ctx, "evmref", handles); err != nil || len(mine) != 5 {
		b.Fatalf("%d handles are ours, %v", len(mine), err)
	}
	g.block++
	err := g.Write(ctx, func(tx checkout.Tx) error {
		mine, err := tx.Owners(ctx, "evmref", handles)
		if err != nil {
			return err
		}
		p, err := tx.Payment(ctx, mine[handles[0]].Payment)
		if err != nil {
			return err
		}
		x := payment.Transfer{
			Key: "t" + strconv.FormatUint(g.block, 10), Rail: "evmref", Asset: "USDC-base", Amount: big.NewInt(5), Credit: big.NewInt(5), Stage: payment.Pending, At: now,
			Evidence: payment.Evidence{Chain: 8453, Block: g.block, BlockHash: "0x" + randomHex(32), Tx: "0x" + randomHex(32)},
		}
		if _, err := tx.PutTransfer(ctx, p.ID, x); err != nil {
			return err
		}
		p.Transfers = append(p.Transfers, x)
		p.Standing = payment.Assess(p.Terms, p.Transfers, nil, now)
		if err := tx.SaveStanding(ctx, p); err != nil {
			return err
		}
		if err := tx.AppendEvent(ctx, payment.Event{ID: payment.NewULID(now), Payment: p.ID, Merchant: g.merchant, Dialect: "request", Kind: payment.EventSeen, Transfer: &x, At: now}); err != nil {
			return err
		}
		return tx.SaveCursor(ctx, g.chain, g.block, checkout.Block{Number: g.block, Hash: "0x" + randomHex(32), Time: now}, g.block-10)
	})
	if err != nil {
		b.Fatal(err)
	}
}

// together runs op so often from as many goroutines as there are callers.
func together(times int, op func(n int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for n := next.Add(1); n <= int64(times); n = next.Add(1) {
				op(int(n))
			}
		})
	}
	all.Wait()
}

// figure is one of the ways to use a database whose cost must not grow.
type figure struct {
	name  string
	times int
	run   func(b *testing.B, g *grown, times int)
}

func figures() []figure {
	return []figure{
		{"create", 2000, func(b *testing.B, g *grown, times int) { together(times, func(int) { g.create(b) }) }},
		{"status", 20_000, func(b *testing.B, g *grown, times int) {
			together(times, func(n int) {
				if _, err := g.Payment(b.Context(), g.ids[n*7919%len(g.ids)]); err != nil {
					b.Error(err)
				}
			})
		}},
		{"status-by-request", 10_000, func(b *testing.B, g *grown, times int) {
			together(times, func(n int) {
				if _, err := g.PaymentByRequest(b.Context(), g.asked[n*7919%len(g.asked)]); err != nil {
					b.Error(err)
				}
			})
		}},
		{"scan-ours", 300, func(b *testing.B, g *grown, times int) {
			for n := range times {
				g.sweep(b, n, 5)
			}
		}},
		{"scan-strangers", 300, func(b *testing.B, g *grown, times int) {
			for n := range times {
				g.sweep(b, n, 100)
			}
		}},
	}
}

// looks are what merchants ask of all that they ever had; the answer is how many that are.
func looks() map[string]func(*grown, context.Context) (int, error) {
	list := func(l checkout.Listing) func(*grown, context.Context) (int, error) {
		l.Merchant, l.Dialect, l.Limit = closedMerchant(0), "spacepay", 20
		return func(g *grown, ctx context.Context) (int, error) {
			_, total, err := g.List(ctx, l)
			return total, err
		}
	}
	search := func(q checkout.Search) func(*grown, context.Context) (int, error) {
		q.Merchant, q.Limit = closedMerchant(2), 20
		return func(g *grown, ctx context.Context) (int, error) {
			_, total, err := g.Arrivals(ctx, q)
			return total, err
		}
	}
	return map[string]func(*grown, context.Context) (int, error){
		"list": list(checkout.Listing{}), "list-paid": list(checkout.Listing{ByPaid: true}), "list-searched": list(checkout.Listing{Search: "order 77"}),
		"search": search(checkout.Search{}), "search-client": search(checkout.Search{ClientID: "cli_2"}), "search-nothing": search(checkout.Search{Order: "none"}),
	}
}

// look reports the fastest of a few looks.
func (g *grown) look(b *testing.B, ask func(*grown, context.Context) (int, error)) {
	fastest, cpu, total := time.Hour, time.Hour, 0
	for range rounds {
		began, before := time.Now(), g.used()
		var err error
		if total, err = ask(g, b.Context()); err != nil {
			b.Fatal(err)
		}
		fastest, cpu = min(fastest, time.Since(began)), min(cpu, g.used()-before)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(fastest.Microseconds())/1000, "ms")
	b.ReportMetric(float64(cpu.Microseconds())/1000, "cpu-ms")
	b.ReportMetric(float64(total), "found")
}

const rounds = 7

// BenchmarkGrown compares a database that holds many closed payments with an empty one,
// in turns, and reports the processor time and the time of the fastest round of each, and
// their ratio. QUITTANCE_BENCH_CLOSED says how many payments; QUITTANCE_BENCH_DSN names a
// database that has them already.
func BenchmarkGrown(b *testing.B) {
	count, _ := strconv.Atoi(cmp.Or(os.Getenv("QUITTANCE_BENCH_CLOSED"), "100000"))
	databases(b, func(b *testing.B, dsn string) {
		full := os.Getenv("QUITTANCE_BENCH_DSN")
		if postgres := strings.HasPrefix(dsn, "postgres"); full == "" {
			full = anotherDatabase(b, postgres)
			fillClosed(b, full, postgres, count)
		} else if postgres != strings.HasPrefix(full, "postgres") {
			b.Skip("the database named is of the other engine")
		}
		none, many := newGrown(b, dsn), newGrown(b, full)
		for _, f := range figures() {
			b.Run(f.name, func(b *testing.B) { compare(b, f, none, many) })
		}
		for name, look := range looks() {
			b.Run(name, func(b *testing.B) { many.look(b, look) })
		}
	})
}

func anotherDatabase(b *testing.B, postgres bool) string {
	if postgres {
		return pgtest.DSN(b)
	}
	return file(b)
}

func fillClosed(b *testing.B, dsn string, postgres bool, count int) {
	b.Helper()
	g := &grown{bench: newBench(b, dsn), used: usedCPU(b, dsn)}
	g.fill(b, postgres, count, func(text string) string { return text })
	g.pack(b)
}

// fill loads closed payments, by the loader's text or what change makes of it.
func (g *grown) fill(b *testing.B, postgres bool, count int, change func(string) string) {
	b.Helper()
	now := time.Now()
	for n := range 20 {
		if err := g.InsertMerchant(b.Context(), merchant.Merchant{ID: closedMerchant(n), Name: "M", CreatedAt: now}); err != nil {
			b.Fatal(err)
		}
	}
	err := g.SetBranch(b.Context(), merchant.Branch{ID: "branch", Merchant: closedMerchant(0), XPub: "none", CreatedAt: now})
	if err != nil {
		b.Fatal(err)
	}
	hot := count / hotShare
	began := int(now.AddDate(0, 0, -30).UnixMicro())
	const apart = 1_000_000
	for from := 1; from <= count; from += 100_000 {
		text := change(closedText(postgres, "_old", from, min(from+99_999, count), began-2*count*apart, apart))
		if err := store.Script(b.Context(), g.Store, text); err != nil {
			b.Fatal(err)
		}
	}
	if err := store.MarkArchived(b.Context(), g.Store); err != nil {
		b.Fatal(err)
	}
	if err := store.Script(b.Context(), g.Store, change(closedText(postgres, "", count+1, count+hot, began-(count+hot)*apart, apart))); err != nil {
		b.Fatal(err)
	}
}

// compare runs a figure in turns on both databases.
func compare(b *testing.B, f figure, none, many *grown) {
	type cost struct{ cpu, wall []time.Duration }
	var costs [2]cost
	for range rounds {
		for i, g := range []*grown{none, many} {
			began, before := time.Now(), g.used()
			f.run(b, g, f.times)
			costs[i].wall = append(costs[i].wall, time.Since(began))
			costs[i].cpu = append(costs[i].cpu, g.used()-before)
		}
	}
	each := func(d []time.Duration) float64 { return float64(slices.Min(d).Nanoseconds()) / 1000 / float64(f.times) }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(each(costs[0].cpu), "empty-cpu-us")
	b.ReportMetric(each(costs[1].cpu), "full-cpu-us")
	b.ReportMetric(each(costs[1].cpu)/each(costs[0].cpu), "cpu-ratio")
	b.ReportMetric(each(costs[0].wall), "empty-us")
	b.ReportMetric(each(costs[1].wall), "full-us")
	b.ReportMetric(each(costs[1].wall)/each(costs[0].wall), "ratio")
}

// usedCPU tells the processor time of this process and, of a PostgreSQL on this machine, of
// the processes that answer for a database.
func usedCPU(b *testing.B, dsn string) func() time.Duration {
	own := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	if !strings.HasPrefix(dsn, "postgres") {
		return own
	}
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return func() time.Duration {
		r, err := db.QueryContext(b.Context(), `SELECT pid FROM pg_stat_activity WHERE datname = current_database()`)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		total := own()
		for r.Next() {
			var pid int
			if err := r.Scan(&pid); err != nil {
				b.Fatal(err)
			}
			total += processTime(pid)
		}
		return total
	}
}

// processTime is the processor time of another process, by /proc: in hundredths of a second.
func processTime(pid int) time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0 // it is over
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}
