package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

// stand is how a payment is at one step, and how many transfers count for it.
type stand struct {
	state   payment.State
	oddity  payment.Oddity
	parts   int
	attempt string // how its newest attempt is, as tried has it; "" where that does not matter
}

// hazard is a payment whose blocks are replaced. What it needs beforehand is done when it is
// made.
type hazard struct {
	name  string
	token string
	pay   func() // sends what is in the blocks that are replaced
	fill  func() // sends what follows from it once it is in a block, nil for nothing
	then  func() // sends what comes instead, nil for nothing
	after func() // when all is final, nil for nothing
	also  func() // looks at more while it is taken back, nil for nothing

	here, gone, end stand
	log             string // the kinds of all its events after its creation
}

// reorgs is a world in which blocks are replaced, and a merchant who listens.
type reorgs struct {
	*webtest.World
	t     *testing.T
	hooks *webhooktest.Receiver
}

// atDepths runs a table at some depths on each database, and at all of them where the faults'
// full form is asked for.
func atDepths(t *testing.T, name string, sqlite, postgres []int, table func(t *testing.T, depth int, dsn string)) {
	t.Helper()
	if os.Getenv("QUITTANCE_FAULT_SEEDS") != "" {
		sqlite, postgres = []int{1, 2, 7, 64}, []int{1, 2, 7, 64}
	}
	for _, depth := range sqlite {
		t.Run(fmt.Sprint(depth), func(t *testing.T) { table(t, depth, "sqlite:"+filepath.Join(t.TempDir(), name)) })
	}
	for _, depth := range postgres {
		t.Run(fmt.Sprint(depth, " on PostgreSQL"), func(t *testing.T) { table(t, depth, pgtest.DSN(t)) })
	}
}

func newReorgs(t *testing.T, o webtest.Options) *reorgs {
	t.Helper()
	o.Confirmations = reorgConfirmations
	secret := webhook.NewSecret()
	r := &reorgs{World: webtest.NewWith(t, o), t: t, hooks: webhooktest.New(t, secret)}
	r.AddEndpoint(r.hooks.URL, secret)
	return r
}

// mine adds blocks to all chains.
func (r *reorgs) mine(n int) {
	r.Chain.Mine(n)
	if r.Second != nil {
		r.Second.Mine(n)
	}
}

// replace has so many blocks of all chains be replaced, and one more come.
func (r *reorgs) replace(depth int) {
	r.Chain.Reorg(depth)
	if r.Second != nil {
		r.Second.Reorg(depth)
	}
	r.mine(1)
}

// happens plays what is to happen to some payments, and holds each step to what it should be.
//
// before is called before the blocks are replaced and then before others come.
func (r *reorgs) happens(depth int, before, then func(), all []*hazard) {
	r.t.Helper()
	for _, h := range all {
		if h.pay != nil {
			h.pay()
		}
	}
	if r.Second != nil {
		r.Second.Mine(depth)
	}
	for _, h := range all {
		if h.fill != nil {
			h.fill()
		}
	}
	r.Chain.Mine(depth)
	for _, h := range all {
		r.stands(h, "before", h.here)
	}
	before()
	r.replace(depth)
	for _, h := range all {
		r.stands(h, "after", h.gone)
		if h.also != nil {
			h.also()
		}
	}
	then()
	for _, h := range all {
		if h.then != nil {
			h.then()
		}
	}
	r.mine(1 + reorgConfirmations)
	for _, h := range all {
		if h.after != nil {
			h.after()
		}
	}
	for _, h := range all {
		r.stands(h, "in the end", h.end)
		r.told(h)
	}
}

// tried says how a payment's newest attempt is.
func tried(p *payment.Payment) string {
	if len(p.Attempts) == 0 {
		return ""
	}
	a := p.Attempts[len(p.Attempts)-1]
	words := []string{string(a.Stage)}
	if a.Route != nil {
		words = append(words, string(a.Route.Progress))
	}
	for _, more := range []string{string(a.OpStage()), a.Reason} {
		if more != "" {
			words = append(words, more)
		}
	}
	return strings.Join(words, " ")
}

// stands waits until a payment is as it should be, with nothing else, and holds those whom
// people look at to it.
func (r *reorgs) stands(h *hazard, when string, want stand) {
	r.t.Helper()
	var got stand
	var p *payment.Payment
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		p = r.look(h.token)
		got = stand{p.Standing.State, p.Standing.Oddity, len(counting(p)), want.attempt}
		if want.attempt != "" {
			got.attempt = tried(p)
		}
		if got == want {
			break
		}
		if time.Now().After(deadline) {
			r.t.Errorf("%s, %s: is %+v, want %+v", h.name, when, got, want)
			return
		}
	}
	r.shows(h.name+", "+when, p)
}

// look has a payment's attempts be looked at, which waits longer and longer by itself.
func (r *reorgs) look(token string) *payment.Payment {
	r.t.Helper()
	for _, a := range r.Load(token).Attempts {
		track := r.App.Checkout.Track
		switch {
		case a.Op != nil:
			track = r.App.Checkout.TrackGasless
		case a.Safe != nil:
			track = r.App.Checkout.TrackSafe
		}
		if _, err := track(r.t.Context(), token+" "+a.Key); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.Load(token)
}

func counting(p *payment.Payment) []payment.Transfer {
	return slices.DeleteFunc(slices.Clone(p.Transfers), func(x payment.Transfer) bool { return x.Stage == payment.Dropped })
}

// shows holds the page's news and the merchant's API to how a payment stands.
func (r *reorgs) shows(what string, p *payment.Payment) {
	r.t.Helper()
	at := map[string]string{"request": "/checkout/" + string(p.ID), "spacepay": "/payment/" + p.Terms.Alias, "secpaid": "/link/" + p.Terms.Alias}[p.Terms.Dialect]
	var page struct {
		State, Oddity, TxHash string
		Reorged               bool
		Transfers             []struct{ Stage string }
	}
	if err := json.Unmarshal(r.Get(at+"/status").Want(http.StatusOK).Body, &page); err != nil {
		r.t.Fatal(err)
	}
	there, told := len(counting(p)), 0
	for _, x := range page.Transfers {
		if x.Stage != string(payment.Dropped) {
			told++
		}
	}
	back := there < len(p.Transfers) && p.Standing.State == payment.Open
	if own := p.Terms.Dialect != "request"; page.State != string(p.Standing.State) || page.Oddity != string(p.Standing.Oddity) ||
		own && (told != there || len(page.Transfers) != len(p.Transfers)) || !own && (page.Reorged != back || (page.TxHash != "") != (there > 0)) {
		r.t.Errorf("%s: the page is told %+v of %+v with %d transfers", what, page, p.Standing, there)
	}
	switch p.Terms.Dialect {
	case "request":
		want := map[payment.State][]int{
			payment.Open: {http.StatusOK, http.StatusLocked}, payment.Seen: {http.StatusOK, http.StatusLocked}, payment.Paid: {http.StatusConflict},
		}[p.Standing.State]
		if want == nil {
			want = []int{http.StatusForbidden}
		}
		if a := r.API(http.MethodGet, "/v2/secure-payments/"+string(p.ID), ""); !slices.Contains(want, a.Status) {
			r.t.Errorf("%s: the API answers %d while it is %s: %s", what, a.Status, p.Standing.State, a.Body)
		}
	case "spacepay":
		a := r.SpacePay(http.MethodGet, "/v1/external/secretkey-auth/payments/"+p.Terms.Alias, "").Want(http.StatusOK)
		want := map[payment.State]string{payment.Open: "pending", payment.Seen: "processing", payment.Paid: "completed", payment.Expired: "expired", payment.Canceled: "cancelled"}[p.Standing.State]
		if a.JSON()["status"] != want {
			r.t.Errorf("%s: the API says %v while it is %s", what, a.JSON()["status"], p.Standing.State)
		}
	}
}

// told holds a payment's log, and what its merchant's endpoint got, to what happened: in
// this order, all of it, and nothing twice.
func (r *reorgs) told(h *hazard) {
	r.t.Helper()
	log, err := r.App.Store.Events(r.t.Context(), payment.ID(h.token))
	if err != nil {
		r.t.Fatal(err)
	}
	p := r.Load(h.token)
	var kinds, want []string
	for i, e := range log {
		if i > 0 {
			kinds = append(kinds, string(e.Kind))
		}
		want = append(want, wordsOf(e)...)
	}
	if got := strings.Join(kinds, " "); got != h.log {
		r.t.Errorf("%s: the log is %q, want %q", h.name, got, h.log)
	}
	slices.Sort(want)
	var got []string
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = r.heard(p); slices.Equal(got, want) {
			return
		}
	}
	r.t.Errorf("%s: the merchant heard %q, want %q", h.name, got, want)
}

// wordsOf are the messages that an event makes, as heard has them.
func wordsOf(e payment.Event) (out []string) {
	switch e.Dialect {
	case "request":
		names := map[payment.EventKind][]string{
			payment.EventPaid: {"payment.confirmed", "payment.confirmed.checkout"}, payment.EventPartial: {"payment.partial", "payment.partial.checkout"},
			payment.EventLate: {"payment.late"}, payment.EventSurplus: {"payment.overpaid"}, payment.EventBroken: {"payment.failed"},
			payment.EventFailed: {"payment.failed"}, payment.EventRefunded: {"payment.refunded"},
		}[e.Kind]
		for _, name := range names {
			out = append(out, fmt.Sprint(name, " ", e.Seq))
		}
	case "spacepay":
		switch e.Kind {
		case payment.EventCreated:
			return []string{"payment.created"}
		case payment.EventExpired, payment.EventCanceled:
			return []string{"payment.updated"}
		}
		return []string{"payment.updated " + string(e.Kind)}
	}
	return out
}

// heard are the messages about a payment that the endpoint got, each id once.
func (r *reorgs) heard(p *payment.Payment) (out []string) {
	r.t.Helper()
	known := map[string]bool{}
	for _, got := range r.hooks.Received() {
		var body struct {
			Event    string `json:"event"`
			Token    string `json:"securePaymentToken"`
			Sequence int64  `json:"sequence"`
			Type     string `json:"type"`
			Data     struct {
				Payment struct {
					ID string `json:"id"`
				} `json:"payment"`
				Transfer *struct {
					Kind string `json:"kind"`
				} `json:"transfer"`
			} `json:"data"`
		}
		if err := json.Unmarshal(got.Body, &body); err != nil || got.Problem != nil {
			r.t.Fatalf("a webhook: %v, %v", err, got.Problem)
		}
		if known[got.ID] {
			continue
		}
		known[got.ID] = true
		switch {
		case body.Token == string(p.ID):
			out = append(out, fmt.Sprint(body.Event, " ", body.Sequence))
		case p.Terms.Alias != "" && body.Data.Payment.ID == p.Terms.Alias:
			word := body.Type
			if body.Data.Transfer != nil {
				word += " " + body.Data.Transfer.Kind
			}
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return out
}
