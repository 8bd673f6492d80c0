package app_test

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/bank/camt"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

const (
	// linkHistoriesVariable says how many histories of links are tried on each database.
	linkHistoriesVariable = "QUITTANCE_LINK_HISTORIES"
	someLinkHistories     = 1
	linkSteps             = 50
)

// linkKey encrypts the webhooks of some links.
const linkKey = "0123456789abcdef0123456789ABCDEF"

// owed is a link as its merchant and its payers know it.
type owed struct {
	id        payment.ID
	alias     string
	address   string // for coins
	text      string // of a bank transfer
	cents     int64
	confirmed []int64 // what the merchant has said came by bank
	canceled  payment.Canceler
}

// moved is a bank's booking, as the bank knows it.
type moved struct {
	webtest.Transferred
	link int // index of the link whose text it has, -1 for none
	told bool
}

// linkHistory is one or two servers on a database, and the world around them in its
// simplest form: what links there are, and what payers, the bank and the merchant did.
type linkHistory struct {
	t        *testing.T
	r        *rand.Rand
	dsn      string
	worlds   []*webtest.World
	restarts int
	hooks    []*webhooktest.Receiver
	openssl  string // "" if there is none: then no webhook is encrypted
	opened   map[string][]byte
	links    []*owed
	bank     []*moved
	trace    []string
}

func (h *linkHistory) say(format string, args ...any) {
	h.trace = append(h.trace, fmt.Sprintf(format, args...))
}

func (h *linkHistory) w() *webtest.World { return h.worlds[h.r.IntN(len(h.worlds))] }

func (h *linkHistory) any() (int, *owed) {
	i := h.r.IntN(len(h.links))
	return i, h.links[i]
}

func linkOptions(dsn string) webtest.Options {
	return webtest.Options{Database: dsn, Links: &webtest.Links{}, Deposits: &webtest.Deposits{Pool: 60}}
}

// beside starts another server on the same database and chain.
func (h *linkHistory) beside(one *webtest.World) *webtest.World {
	o := linkOptions(h.dsn)
	o.Links, o.Deposits.NoKey, o.Chain, o.Deposits.Market = nil, true, one.Chain, one.Market
	w := webtest.NewWith(h.t, o)
	w.SecPaidToken, w.Merchant, w.Account = one.SecPaidToken, one.Merchant, one.Account
	return w
}

func newLinkHistory(t *testing.T, dsn string, servers int, seed uint64) *linkHistory {
	t.Helper()
	h := &linkHistory{t: t, r: rand.New(rand.NewPCG(seed, 1)), dsn: dsn, opened: map[string][]byte{}}
	if h.openssl, _ = exec.LookPath("openssl"); h.openssl == "" && os.Getenv("CI") == "true" {
		t.Fatal("openssl is needed")
	}
	o := linkOptions(dsn)
	secret := webhook.NewSecret()
	h.hooks = []*webhooktest.Receiver{webhooktest.New(t, secret), webhooktest.New(t, secret)}
	o.Links.Settings = func(s *merchant.LinkSettings) {
		s.Secret, s.Endpoints, s.Default, s.TellCancel = secret, []string{h.hooks[0].URL, h.hooks[1].URL}, "0,1", true
	}
	h.worlds = []*webtest.World{webtest.NewWith(t, o)}
	for len(h.worlds) < servers {
		h.worlds = append(h.worlds, h.beside(h.worlds[0]))
	}
	return h
}

func (h *linkHistory) create() {
	h.t.Helper()
	cents := 100 + h.r.Int64N(5000)
	body := fmt.Sprintf(`{"amount":%d.%02d,"recipient_note":"Rechnung %d"`, cents/100, cents%100, len(h.links))
	if h.openssl != "" && h.r.IntN(2) == 0 {
		body += `,"encryption_key":"` + linkKey + `"`
	}
	p := h.w().CreateLink(body + `}`)
	q := p.Terms.Requests[0]
	h.links = append(h.links, &owed{id: p.ID, alias: p.Terms.Alias, address: q.Payee.String(), text: q.Bank.Text, cents: cents})
	h.say("link %d of %d cents", len(h.links)-1, cents)
}

// transfer has a payer go to the bank, who may send anything, and may forget the text.
func (h *linkHistory) transfer() {
	i, l := h.any()
	x := &moved{link: i}
	x.Name, x.Text = fmt.Sprintf("BANK-%d", len(h.bank)), l.text
	x.Cents = []int64{l.cents, l.cents, l.cents/2 + 1, 1 + h.r.Int64N(2*l.cents)}[h.r.IntN(4)]
	if h.r.IntN(8) == 0 {
		x.Text, x.link = "Danke!", -1
	}
	h.bank = append(h.bank, x)
	h.say("%s: %d cents for link %d", x.Name, x.Cents, x.link)
}

// read has statements of some of the bookings read, in either version, by some server or by
// all at once, which may be broken off.
func (h *linkHistory) read() {
	h.t.Helper()
	if len(h.bank) == 0 {
		return
	}
	some := slices.Clone(h.bank)
	h.r.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
	some = some[:1+h.r.IntN(len(some))]
	var lines []webtest.Transferred
	for _, x := range some {
		lines = append(lines, x.Transferred)
	}
	file := webtest.Statement(h.t, []camt.Version{camt.V02, camt.V08}[h.r.IntN(2)], lines...)
	ctx, cut := h.t.Context(), h.r.IntN(4) == 0
	if cut {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(h.r.IntN(20_000))*time.Microsecond)
		defer cancel()
	}
	readers := h.worlds
	if h.r.IntN(3) > 0 {
		readers = []*webtest.World{h.w()}
	}
	h.say("%d bookings are read by %d, cut %t", len(some), len(readers), cut)
	var all sync.WaitGroup
	for _, w := range readers {
		all.Go(func() {
			if _, err := w.App.ImportStatement(ctx, "", bytes.NewReader(file), false); err != nil && !cut {
				h.t.Errorf("import: %v", err)
			}
		})
	}
	all.Wait()
	for _, x := range some {
		x.told = x.told || !cut
	}
}

// coin has a payer send tokens to a link's address: all of it, or a part.
func (h *linkHistory) coin() {
	i, l := h.any()
	units := l.cents * 11_000 // at 1.08 dollars for a euro that is a bit more than it
	if h.r.IntN(3) == 0 {
		units /= 2
	}
	w := h.worlds[0]
	w.Chain.Transfer(w.Chain.USDC(), l.address, big.NewInt(units))
	w.Chain.Mine(1 + h.r.IntN(webtest.Confirmations))
	h.say("%d units for link %d", units, i)
}

// called tells whether an operation of the API did what it was asked for.
func called(r webtest.Response) bool {
	return r.Status == http.StatusOK && r.JSON()["ResponseCode"] == float64(1)
}

func (h *linkHistory) confirm() {
	i, l := h.any()
	cents := []int64{l.cents, l.cents / 2, 1}[h.r.IntN(3)]
	ok := called(h.w().SecPaid("confirmBankTransfer", fmt.Sprintf(`{"link_id":%s,"amount":%d.%02d}`, l.alias, cents/100, cents%100)))
	h.say("%d cents of link %d are confirmed: %t", cents, i, ok)
	if ok {
		l.confirmed = append(l.confirmed, cents)
	}
}

// callOff has somebody call a link off, and remembers whether it was.
func (h *linkHistory) callOff() {
	h.t.Helper()
	i, l := h.any()
	w, by := h.w(), []payment.Canceler{payment.ByPayer, payment.ByMerchant, payment.ByDeletion}[h.r.IntN(3)]
	ok := false
	switch by {
	case payment.ByPayer:
		r := w.Do(http.MethodPost, "/link/"+l.alias+"/cancel", "", "Content-Type: application/x-www-form-urlencoded", "Sec-Fetch-Site: same-origin", "Origin: "+webtest.BaseURL)
		ok = r.Status == http.StatusSeeOther && strings.HasSuffix(r.Header.Get("Location"), "/return")
	case payment.ByMerchant:
		err := w.App.Checkout.Cancel(h.t.Context(), w.Merchant, l.id)
		if ok = err == nil; !ok && !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.NotFound) {
			h.t.Fatalf("cancel: %v", err)
		}
	case payment.ByDeletion:
		ok = called(w.SecPaid("deleteLink", fmt.Sprintf(`{"link_id":%s}`, l.alias)))
	}
	h.say("link %d is called off by %s: %t", i, by, ok)
	switch {
	case ok && l.canceled == "":
		l.canceled = by
	case ok && l.canceled != by:
		h.t.Errorf("link %d was called off by %s and by %s", i, l.canceled, by)
	}
}

// decide has a person say what becomes of a booking that waits.
func (h *linkHistory) decide() {
	h.t.Helper()
	w := h.w()
	open, err := w.App.Checkout.Bookings(h.t.Context(), checkout.BookingQuery{Merchant: w.Merchant, Open: true})
	if err != nil {
		h.t.Fatal(err)
	}
	if len(open) == 0 {
		return
	}
	b, of := open[h.r.IntN(len(open))], payment.ID("")
	if h.r.IntN(3) > 0 {
		_, l := h.any()
		of = l.id
	}
	each := make([]error, 2) // of two people, one
	var both sync.WaitGroup
	for i := range each {
		both.Go(func() {
			_, each[i] = h.worlds[i%len(h.worlds)].App.Checkout.Decide(h.t.Context(), w.Merchant, b.Key, of)
		})
	}
	both.Wait()
	if (each[0] == nil) == (each[1] == nil) {
		h.t.Errorf("two people decide on %s: %v", b.Key, each)
	}
	h.say("%d cents are decided to be %q's", b.Cents, of)
}

func (h *linkHistory) restart() {
	if h.restarts == 0 {
		return
	}
	h.restarts--
	i := h.r.IntN(len(h.worlds))
	h.worlds[i].Stop()
	h.worlds[i] = h.beside(h.worlds[i])
	h.say("server %d is another one", i)
}

func (h *linkHistory) step() {
	h.t.Helper()
	switch h.r.IntN(16) {
	case 0, 1:
		h.create()
	case 2, 3, 4:
		h.transfer()
	case 5, 6, 7:
		h.read()
	case 8, 9:
		h.coin()
	case 10:
		h.confirm()
	case 11, 12:
		h.callOff()
	case 13:
		h.decide()
	case 14:
		h.worlds[0].Chain.Mine(webtest.Confirmations)
	case 15:
		h.restart()
	}
}

// Whatever payers, merchants and banks do, and whatever becomes of servers meanwhile, what
// comes for links is what their servers say: to the cent, once, and told once.
// QUITTANCE_LINK_HISTORIES=100 tries a hundred histories on each database.
func TestProofOfLinks(t *testing.T) {
	histories := someLinkHistories
	if text := os.Getenv(linkHistoriesVariable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		histories = n
	}
	for name, c := range map[string]struct {
		dsn     func(t *testing.T) string
		servers int
	}{
		"sqlite":            {func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "links.db") }, 1},
		"two on PostgreSQL": {func(t *testing.T) string { return pgtest.DSN(t) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range histories {
				t.Run(strconv.Itoa(seed), func(t *testing.T) {
					h := newLinkHistory(t, c.dsn(t), c.servers, uint64(seed))
					h.restarts = 2
					defer func() {
						if t.Failed() {
							t.Log(strings.Join(h.trace, "\n"))
						}
					}()
					for range 4 {
						h.create()
					}
					for range linkSteps {
						h.step()
					}
					h.end()
					h.check()
				})
			}
		})
	}
}

// Two servers that read the same statement at the same moment, again and again: each
// booking counts once, and each link is told of once.
func TestProofOfOneStatementForTwoServers(t *testing.T) {
	h := newLinkHistory(t, pgtest.DSN(t), 2, 11)
	for range 12 {
		h.create()
	}
	for i, l := range h.links {
		parts := []int64{l.cents}
		if i%2 == 0 {
			parts = []int64{l.cents - 1, 1}
		}
		for _, cents := range parts {
			h.bank = append(h.bank, &moved{Transferred: webtest.Transferred{Name: fmt.Sprintf("BANK-%d", len(h.bank)), Text: l.text, Cents: cents}, link: i})
		}
	}
	var lines []webtest.Transferred
	for _, x := range h.bank {
		lines = append(lines, x.Transferred)
	}
	var all sync.WaitGroup
	for i := range 6 {
		file := webtest.Statement(t, []camt.Version{camt.V02, camt.V08}[i%2], lines...)
		all.Go(func() {
			if _, err := h.worlds[i%2].App.ImportStatement(t.Context(), "", bytes.NewReader(file), false); err != nil {
				t.Errorf("import %d: %v", i, err)
			}
		})
	}
	all.Wait()
	h.check()
}

// Coins that come after a link was called off are late, and bring nothing back.
func TestProofOfLateCoins(t *testing.T) {
	h := newLinkHistory(t, "", 1, 3)
	w := h.worlds[0]
	w.Chain.SetClock(func() time.Time { return time.Now().Add(time.Second) }) // no block is of the second of a cancellation
	for i, by := range []payment.Canceler{payment.ByPayer, payment.ByMerchant, payment.ByDeletion} {
		h.create()
		l := h.links[i]
		var err error
		switch by {
		case payment.ByPayer:
			err = w.App.Checkout.CancelByPayer(t.Context(), l.id)
		case payment.ByMerchant:
			err = w.App.Checkout.Cancel(t.Context(), w.Merchant, l.id)
		default:
			err = w.App.Checkout.Delete(t.Context(), w.Merchant, l.id)
		}
		if err != nil {
			t.Fatal(err)
		}
		l.canceled = by
		w.Chain.Transfer(w.Chain.USDC(), l.address, big.NewInt(l.cents*11_000))
	}
	w.Chain.Mine(1 + webtest.Confirmations)
	h.end()
	h.check()
	for i, l := range h.links {
		p := w.Load(string(l.id))
		if len(p.Transfers) != 1 || p.Standing.State != payment.Canceled || p.Standing.Oddity != payment.Late || p.Part() {
			t.Errorf("link %d: %+v by %+v", i, p.Standing, p.Transfers)
		}
	}
}
