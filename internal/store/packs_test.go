package store

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/merchant"
	"quittance/internal/payment"
)

// The plain way to search: what is looked for in each of a merchant's payments, by LIKE.
const (
	plainly = `SELECT p.id FROM payments p WHERE p.merchant = $1 AND p.dialect = $2 AND p.alias <> '' AND (LOWER(p.alias) LIKE $3 ESCAPE '\' OR LOWER(p.reference) LIKE $3 ESCAPE '\'`

	inRequests  = ` OR EXISTS (SELECT 1 FROM requests r WHERE r.payment = p.id AND r.payee LIKE $3 ESCAPE '\')`
	inTransfers = ` OR p.transfers > 0 AND EXISTS (SELECT 1 FROM transfers t WHERE t.payment = p.id AND (t.tx LIKE $3 ESCAPE '\' OR LOWER(t.payer) LIKE $3 ESCAPE '\'))`
)

var wildcards = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// CountPlainly counts what the plain way finds.
func CountPlainly(ctx context.Context, s *Store, m payment.MerchantID, dialect, search string) (n int, err error) {
	all := `SELECT ` + summed(`SELECT COUNT(*) FROM (`+plainly+inRequests+inTransfers+`)) p`)
	err = s.read.row(ctx, all, []any{string(m), dialect, `%` + wildcards.Replace(search) + `%`}, &n)
	return n, err
}

// texts is a merchant whose payments are full of what is hard to search for.
type texts struct {
	*Store
	draw *rand.Rand
	ids  []payment.ID
	keys map[payment.ID][]payment.Transfer
	made int
	old  int // how many were archived
	now  time.Time
}

func newTexts(t *testing.T, s *Store) *texts {
	t.Helper()
	w := &texts{Store: s, draw: rand.New(rand.NewPCG(3, 4)), keys: map[payment.ID][]payment.Transfer{}, now: time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC)}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range []payment.MerchantID{"M1", "M2"} {
		if err := s.InsertMerchant(t.Context(), merchant.Merchant{ID: m, Name: "Zzz", CreatedAt: w.now}); err != nil {
			t.Fatal(err)
		}
	}
	s.packSize = 30
	return w
}

var scraps = []string{
	"a", "B", "Ä", "ä", "ß", "İ", "ı", "K", "k", "%", "_", `\`, `'`, `"`, " ", "\n", "☕", "\x01", "7", "07", "order", "ORDER", "é", "e\u0301", "Σ", "ς", "日本", ":", ";", "12:x", "0x",
}

func (w *texts) text() string {
	var b strings.Builder
	for range w.draw.IntN(7) {
		b.WriteString(scraps[w.draw.IntN(len(scraps))])
	}
	return b.String()
}

func (w *texts) hex(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "0123456789abcdef"[w.draw.IntN(16)]
	}
	return string(b)
}

func (w *texts) change(t *testing.T, f func(ctx context.Context, tx checkout.Tx) error) {
	t.Helper()
	if err := w.Write(t.Context(), func(tx checkout.Tx) error { return f(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func (w *texts) create(t *testing.T) {
	t.Helper()
	w.made++
	id, n := payment.ID(fmt.Sprintf("%026d", w.draw.Int64())), w.made
	payee, err := asset.ParseAddress("0x" + w.hex(40))
	if err != nil {
		t.Fatal(err)
	}
	p := &payment.Payment{ID: id, Terms: payment.Terms{
		Merchant: []payment.MerchantID{"M1", "M1", "M1", "M2"}[n%4], Dialect: []string{"spacepay", "secpaid"}[n/4%2], Alias: fmt.Sprintf("Alias%d%s", n, w.text()),
		Reference: w.text(), CreatedAt: w.now.Add(time.Duration(n/3) * time.Second), ExpiresAt: w.now.Add(time.Hour),
		Requests: []payment.Request{{ID: "r" + string(id), Asset: asset.USD, Due: big.NewInt(w.draw.Int64N(3) * w.draw.Int64N(9000)), Payee: payee}},
	}}
	p.Standing = payment.Standing{State: []payment.State{payment.Expired, payment.Open, payment.Expired}[n%3], Oddity: "none"}
	w.change(t, func(ctx context.Context, tx checkout.Tx) error { return tx.InsertPayment(ctx, p) })
	w.ids = append(w.ids, id)
}

// pay gives a payment a transfer, or changes one that it has.
func (w *texts) pay(t *testing.T) {
	t.Helper()
	id := w.ids[w.draw.IntN(len(w.ids))]
	x := payment.Transfer{Key: w.text() + w.hex(8), Rail: "deposit", Asset: "ETH-base", Amount: big.NewInt(1), Credit: big.NewInt(1), At: w.now}
	if has := w.keys[id]; len(has) > 0 && w.draw.IntN(2) == 0 {
		x = has[w.draw.IntN(len(has))]
	}
	x.Stage = []payment.Stage{payment.Pending, payment.Dropped, payment.Final, payment.Final}[w.draw.IntN(4)]
	x.Evidence.Tx, x.Evidence.Payer = "0x"+w.hex(64), "0x"+strings.ToUpper(w.hex(40))
	if w.draw.IntN(4) == 0 {
		x.Evidence.Source.Route = "route"
		x.Evidence.Source.Tx = []string{"", "0x" + w.hex(64)}[w.draw.IntN(2)]
	}
	w.change(t, func(ctx context.Context, tx checkout.Tx) error {
		_, err := tx.PutTransfer(ctx, id, x)
		return err
	})
	w.keys[id] = append(w.keys[id], x)
}

// archive moves what may be moved, or a few, to the archive. Writing brings them back.
func (w *texts) archive(t *testing.T) {
	t.Helper()
	for after, left := payment.ID(""), w.draw.IntN(4); left > 0; left-- {
		a, err := w.Archive(t.Context(), after, w.now.AddDate(9, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		w.old += a.Moved
		if after = a.Last; after == "" {
			return
		}
	}
}

// wanted draws what to search for: a part of a text that there is, mostly.
func (w *texts) wanted(t *testing.T) string {
	t.Helper()
	id := w.ids[w.draw.IntN(len(w.ids))]
	p, err := w.Payment(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	from := []string{p.Terms.Alias, p.Terms.Reference, p.Terms.Requests[0].Payee.Lower(), w.text(), "alias", "0x", "nothing at all has this"}
	for _, x := range w.keys[id] {
		from = append(from, x.Evidence.Tx, x.Evidence.Payer)
	}
	text := []rune(from[w.draw.IntN(len(from))])
	first := w.draw.IntN(len(text) + 1)
	text = text[first:min(len(text), first+[]int{1, 2, 3, 8, 100}[w.draw.IntN(5)])]
	return []func(string) string{func(s string) string { return s }, strings.ToUpper, strings.ToLower}[w.draw.IntN(3)](string(text))
}

// plainly finds the payments by the plain way.
func (w *texts) plainly(t *testing.T, of shelf, search, more string) []payment.ID {
	t.Helper()
	pattern := `%` + wildcards.Replace(strings.ToLower(search)) + `%`
	r, err := w.read.query(t.Context(), both(plainly+more+`)`), string(of.merchant), of.dialect, plain(pattern))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := scanIDs(r)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(ids)
	return ids
}

// check compares one search with the plain way.
func (w *texts) check(t *testing.T) (found int) {
	t.Helper()
	of, search := shelf{[]payment.MerchantID{"M1", "M2"}[w.draw.IntN(2)], []string{"spacepay", "secpaid"}[w.draw.IntN(2)]}, w.wanted(t)
	if search == "" || strings.Contains("zzz", strings.ToLower(search)) {
		return 0
	}
	want := w.plainly(t, of, search, inRequests+inTransfers)
	l := checkout.Listing{Merchant: of.merchant, Dialect: of.dialect, Search: search, Limit: 1000, Deleted: true, ByAmount: w.draw.IntN(2) == 0, Ascending: w.draw.IntN(2) == 0}
	list, total, err := w.List(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	var got []payment.ID
	for _, p := range list {
		got = append(got, p.ID)
	}
	inOrder := slices.IsSortedFunc(list, func(a, b *payment.Payment) int {
		by := a.Terms.CreatedAt.Compare(b.Terms.CreatedAt)
		if l.ByAmount {
			by = a.Terms.Requests[0].Due.Cmp(b.Terms.Requests[0].Due)
		}
		if by = cmp.Or(by, cmp.Compare(a.ID, b.ID)); l.Ascending {
			return by
		}
		return -by
	})
	slices.Sort(got)
	if !slices.Equal(got, want) || total != len(want) || !inOrder {
		t.Fatalf("%q finds %d of %d, in order: %t; the plain way %d", search, len(got), total, inOrder, len(want))
	}
	names, err := w.searchedIncome(t.Context(), checkout.IncomeQuery{Merchant: of.merchant, Dialect: of.dialect, Search: search})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	if known := w.plainly(t, of, search, ""); !slices.EqualFunc(names, known, func(a string, b payment.ID) bool { return a == string(b) }) {
		t.Fatalf("%q finds the income of %d payments, the plain way of %d", search, len(names), len(known))
	}
	return len(want)
}

// Whatever is packed, archived, brought back or changed meanwhile: a search finds what
// looking at each payment finds.
func TestSearchesFindWhatThePlainWayFinds(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		w := newTexts(t, s)
		found, packed := 0, 0
		for range 12 {
			for range 40 {
				w.create(t)
			}
			for range 30 {
				w.pay(t)
			}
			if w.draw.IntN(2) == 0 {
				w.archive(t)
			}
			if w.draw.IntN(3) > 0 {
				n, err := s.Pack(t.Context(), func(time.Duration) bool { return true })
				if err != nil {
					t.Fatal(err)
				}
				packed += n
			}
			for range 25 {
				found += w.check(t)
			}
		}
		if found < 1000 || packed < 300 || w.old < 50 {
			t.Errorf("%d were found, %d packed and %d archived", found, packed, w.old)
		}
	})
}

func TestPackingEndsWhenItIsTold(t *testing.T) {
	forEach(t, func(t *testing.T, open func(*testing.T) (*Store, error)) {
		s, err := open(t)
		if err != nil {
			t.Fatal(err)
		}
		w := newTexts(t, s)
		for range 300 {
			w.create(t)
		}
		steps := 0
		first, err := s.Pack(t.Context(), func(time.Duration) bool { steps++; return steps < 4 })
		if err != nil || first == 0 {
			t.Fatalf("%d packed, %v", first, err)
		}
		rest, err := s.Pack(t.Context(), func(time.Duration) bool { return true })
		if err != nil || rest == 0 || first+rest > 300 || first+rest < 300-4*s.packSize {
			t.Errorf("%d packed, then %d, %v", first, rest, err)
		}
		again, err := s.Pack(t.Context(), func(time.Duration) bool { return true })
		if err != nil || again != 0 {
			t.Errorf("%d packed again, %v", again, err)
		}
	})
}

func TestBrokenPacksAreNoticed(t *testing.T) {
	var whole pack
	whole.add("one", "due", []string{"alias", "reference"}, []string{"payee"})
	whole.add("two", "", nil, []string{"tx"})
	for n := range len(whole.entries) {
		cut := pack{whole.entries[:n], whole.texts}
		if err := cut.search([]byte("e"), false, func(entry, bool) {}); err == nil {
			t.Errorf("%d bytes of %d are a whole pack", n, len(whole.entries))
		}
	}
	short := pack{whole.entries, whole.texts[:len(whole.texts)-1]}
	if err := short.search([]byte("e"), false, func(entry, bool) {}); err == nil {
		t.Error("missing texts are not noticed")
	}
	for _, text := range []string{"3", "3:", "3:ab", "3:abc", "3:abc1", "x:abc1;", "3:abc;", "-1:abc1;"} {
		if all, err := readNames(text); err == nil {
			t.Errorf("%q is %v", text, all)
		}
	}
}
