package spacepay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/web"
)

// created is when the documentation's payment was made.
var created = time.Date(2025, 10, 10, 21, 44, 6, 733e6, time.UTC)

const (
	docAlias = "4291f98b-d68c-4eb0-883e-6bc790a41c96"
	docQuote = "01K77Z5JZA0000000000000000"
	redirect = "https://merchant.example.com/checkout/success"
)

func accountOf(t testing.TB, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sepolias are the documentation's chain, with a stablecoin on it.
func sepolias(t testing.TB) *asset.Book {
	t.Helper()
	eth := asset.Token{ID: "ETH-base-sepolia", Chain: 84532, Network: "base-sepolia", Symbol: "ETH", Name: "Ether", Decimals: 18, Native: true}
	book, err := asset.NewBook(
		[]asset.Chain{{ID: 84532, Network: "base-sepolia", Selector: "BASE_SEPOLIA", Name: "Base Sepolia", Native: eth}},
		[]asset.Token{{ID: "USDC-base-sepolia", Chain: 84532, Network: "base-sepolia", Symbol: "USDC", Decimals: 6, Address: accountOf(t, "0x00fc61d7de7655db3984db634e3489130ebeacf6")}},
	)
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// heights is a chain at block 110 that wants 12 confirmations.
type heights struct{}

func (heights) Head(asset.ChainID) (uint64, bool) { return 110, true }
func (heights) Required(asset.ChainID) int        { return 12 }

// sample is the documentation's payment, for a dollar, with its quote.
func sample(t testing.TB) *payment.Payment {
	t.Helper()
	p := &payment.Payment{ID: "01K77Z5JYD0000000000000000", Terms: payment.Terms{
		Merchant: "01K77Z5J000000000000000000", Dialect: Name, Alias: docAlias, Reference: "order_123", RedirectURL: redirect,
		Metadata: `{"cartId":"abc123","promo":"SUMMER24"}`, CreatedAt: created, ExpiresAt: created.Add(time.Hour),
		Requests: []payment.Request{{ID: "r", Asset: asset.USD, Due: money.Cents(100), Payee: accountOf(t, "0xa35e74109b7040d0ee74cb7cb71bae35a2981254")}},
	}}
	quoteOf(t, p, docQuote, "ETH-base-sepolia", 374205353900, 61*time.Millisecond)
	p.Standing = payment.Assess(p.Terms, nil, nil, created)
	return p
}

// quoteOf adds a quote for all that is due.
func quoteOf(t testing.TB, p *payment.Payment, id string, of asset.ID, price int64, after time.Duration) {
	t.Helper()
	token, ok := sepolias(t).Token(of)
	if !ok {
		t.Fatalf("no asset %s", of)
	}
	at := created.Add(after)
	q, err := payment.FreezeQuote(id, 0, p.Terms.Requests[0].Due, token, money.Price{Value: big.NewInt(price), At: at, Source: "chainlink"}, at, at.Add(payment.QuoteLife))
	if err != nil {
		t.Fatal(err)
	}
	q.Asked = true
	p.Quotes = append(p.Quotes, q)
}

// came adds a transfer of so many percent of what a quote asks for.
func came(p *payment.Payment, id string, percent int64, after time.Duration, stage payment.Stage) payment.Transfer {
	i := slices.IndexFunc(p.Quotes, func(q payment.Quote) bool { return q.ID == id })
	q, n := p.Quotes[i], len(p.Transfers)
	units := money.CeilQuo(new(big.Int).Mul(q.Units, big.NewInt(percent)), big.NewInt(100))
	x := payment.Transfer{
		Key: fmt.Sprint("k", n), Rail: "deposit", Asset: q.Asset, Amount: units, Credit: q.Credit(units), Quote: q.ID, Stage: stage, At: created.Add(after),
		Evidence: payment.Evidence{Chain: q.Chain, Block: uint64(100 + n), BlockHash: "0xb", Tx: fmt.Sprintf("0x%064x", n+1), Payer: "0x742d35Cc6634C0532925a3b844Bc454e4438f44e"},
	}
	p.Transfers = append(p.Transfers, x)
	return x
}

// The documented answer from a payment of ours, member by member in its order. Ids of ours
// are others, and so is the amount: the documentation's quote is one for 250 cents.
func TestTheDocumentedAnswer(t *testing.T) {
	want, err := os.ReadFile("testdata/created.201.json")
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, want); err != nil {
		t.Fatal(err)
	}
	p := sample(t)
	told, err := words{book: sepolias(t)}.payment(p, "Copycat Creations", statusPending, created)
	if err != nil {
		t.Fatal(err)
	}
	got, err := encode(createdWire{Payment: told, PaymentURL: "https://pay.spacepay.co.uk" + Link(docAlias), Secret: "payment_secret_key", PaymentID: docAlias})
	if err != nil {
		t.Fatal(err)
	}
	same := strings.NewReplacer(
		told.MerchantID, "4e29f55d-d6a8-42d7-8230-cb8efeded39e", told.DepositAddress.ID, "6c1c95e1-04f1-4881-b7cc-c2a529fbde76",
		told.Quotes[0].ID, "eb0e59b9-14d5-4324-a056-e87b74aa954f", "267232948320465", "668082370801162", // for 100 cents, rounded up
		`"createdAt":"2025-10-10T21:44:06.733Z"},"quotes"`, `"createdAt":"2025-10-10T21:44:06.749Z"},"quotes"`,
		`"2025-10-10T21:54:06.794Z"`, `"2025-10-10T21:54:06.796Z"`,
	).Replace(string(got))
	if same != compact.String() {
		t.Errorf("got  %s\nwant %s", same, compact.Bytes())
	}
	for _, id := range []string{told.MerchantID, told.DepositAddress.ID, told.Quotes[0].ID} {
		if !web.IsUUID(id) || id[14] != '5' {
			t.Errorf("%q is no id", id)
		}
	}
}

// life is a way in which a payment can go.
type life struct {
	name   string
	make   func(*testing.T, *payment.Payment)
	now    time.Duration // when it is looked at
	status string
	// the receipt: "" for none, else its amount in dollars
	usd, units, tx string
	completed      bool
	quotes         string // ids and statuses, in order
}

const usdc = "01K77Z5JZB0000000000000000"

func lives() []life {
	never := func(*testing.T, *payment.Payment) {}
	eth := func(percent int64, after time.Duration, stage payment.Stage) func(*testing.T, *payment.Payment) {
		return func(_ *testing.T, p *payment.Payment) { came(p, docQuote, percent, after, stage) }
	}
	both := func(fs ...func(*testing.T, *payment.Payment)) func(*testing.T, *payment.Payment) {
		return func(t *testing.T, p *payment.Payment) {
			for _, f := range fs {
				f(t, p)
			}
		}
	}
	second := func(t *testing.T, p *payment.Payment) {
		quoteOf(t, p, usdc, "USDC-base-sepolia", 100_000_000, time.Minute)
	}
	minute := time.Minute
	return []life{
		{name: "nothing", make: never, now: minute, status: statusPending, quotes: "eth active"},
		{name: "a quote that ran out", make: never, now: 11 * minute, status: statusPending, quotes: "eth expired"},
		{name: "another asset", make: second, now: 2 * minute, status: statusPending, quotes: "eth active, usdc active"},
		{name: "on its way", make: eth(100, minute, payment.Pending), now: 2 * minute, status: statusProcessing, quotes: "eth used"},
		{name: "some of it", make: eth(40, minute, payment.Final), now: 2 * minute, status: statusProcessing, quotes: "eth used"},
		{name: "gone again", make: eth(100, minute, payment.Dropped), now: 2 * minute, status: statusPending, quotes: "eth active"},
		{name: "all of it", make: eth(100, minute, payment.Final), now: 2 * minute, status: statusCompleted, usd: "1.00", units: "267232948320465", tx: "1", completed: true, quotes: "eth used"},
		{
			name: "too much", make: eth(150, minute, payment.Final), now: 2 * minute, status: statusCompleted,
			usd: "1.50", units: "400849422480698", tx: "1", completed: true, quotes: "eth used",
		},
		{
			name: "two parts, then more", make: both(eth(40, minute, payment.Final), eth(60, 2*minute, payment.Final), eth(10, 3*minute, payment.Final), eth(10, 4*minute, payment.Pending)),
			now: 5 * minute, status: statusCompleted, usd: "1.10", units: "293956243152512", tx: "2", completed: true, quotes: "eth used",
		},
		{
			name: "two assets", make: both(second, eth(40, minute, payment.Final), func(_ *testing.T, p *payment.Payment) { came(p, usdc, 60, 2*minute, payment.Final) }),
			now: 5 * minute, status: statusCompleted, usd: "1.00", units: "600000", tx: "2", completed: true, quotes: "eth used, usdc used",
		},
		{name: "too little", make: eth(40, minute, payment.Final), now: 61 * minute, status: statusFailed, usd: "0.40", units: "106893179328186", tx: "1", quotes: "eth used"},
		{name: "too little, and not final", make: eth(40, minute, payment.Pending), now: 61 * minute, status: statusFailed, usd: "0.40", units: "106893179328186", tx: "1", quotes: "eth used"},
		{name: "over without money", make: never, now: 61 * minute, status: statusExpired, quotes: "eth expired"},
		{name: "late", make: eth(100, 61*minute, payment.Final), now: 62 * minute, status: statusExpired, usd: "1.00", units: "267232948320465", tx: "1", quotes: "eth used"},
		{
			name: "too little, and the rest late", make: both(eth(40, minute, payment.Final), eth(60, 61*minute, payment.Final)), now: 62 * minute,
			status: statusFailed, usd: "1.00", units: "267232948320465", tx: "2", quotes: "eth used",
		},
		{
			name: "called off", make: func(_ *testing.T, p *payment.Payment) { p.Terms.CanceledAt = created.Add(minute) }, now: 2 * minute,
			status: statusCancelled, quotes: "eth expired",
		},
		{
			name: "not priced yet", make: func(_ *testing.T, p *payment.Payment) {
				came(p, docQuote, 100, minute, payment.Final)
				p.Transfers[0].Credit, p.Transfers[0].Quote = new(big.Int), ""
			}, now: 2 * minute, status: statusProcessing, quotes: "eth active",
		},
		{
			name: "a new quote of the same asset", make: func(t *testing.T, p *payment.Payment) {
				quoteOf(t, p, usdc, "ETH-base-sepolia", 400000000000, 5*minute)
			}, now: 6 * minute, status: statusPending, quotes: "usdc active",
		},
		{
			name: "an old quote that counted", make: func(t *testing.T, p *payment.Payment) {
				came(p, docQuote, 10, minute, payment.Final)
				quoteOf(t, p, usdc, "ETH-base-sepolia", 400000000000, 5*minute)
			}, now: 11 * minute, status: statusProcessing, quotes: "eth used, usdc expired",
		},
		{
			name: "a quote that nobody asked for", make: func(t *testing.T, p *payment.Payment) {
				quoteOf(t, p, usdc, "USDC-base-sepolia", 100_000_000, 5*minute)
				p.Quotes[1].Asked = false
				came(p, usdc, 100, 6*minute, payment.Final)
			}, now: 7 * minute, status: statusCompleted, usd: "1.00", units: "1000000", tx: "1", completed: true, quotes: "eth expired, usdc used",
		},
	}
}

// after is a payment that went a way, looked at when the way says.
func (l life) after(t *testing.T) (*payment.Payment, time.Time) {
	p, now := sample(t), created.Add(l.now)
	l.make(t, p)
	p.Standing = payment.Assess(p.Terms, p.Transfers, nil, now)
	return p, now
}

func TestLives(t *testing.T) {
	w := words{book: sepolias(t), chains: heights{}}
	for _, l := range lives() {
		t.Run(l.name, func(t *testing.T) {
			p, now := l.after(t)
			if got := statusOf(p); got != l.status {
				t.Fatalf("status %s, want %s", got, l.status)
			}
			told, err := w.payment(p, "m", statusOf(p), now)
			if err != nil {
				t.Fatal(err)
			}
			var quotes []string
			for _, q := range told.Quotes {
				name := map[string]string{named("quote", docQuote): "eth", named("quote", usdc): "usdc"}[q.ID]
				quotes = append(quotes, name+" "+q.Status)
			}
			if got := strings.Join(quotes, ", "); got != l.quotes {
				t.Errorf("quotes %s, want %s", got, l.quotes)
			}
			l.checkReceipt(t, p, told.Receipt)
		})
	}
}

func (l life) checkReceipt(t *testing.T, p *payment.Payment, r *receiptWire) {
	if (r == nil) != (l.usd == "") {
		t.Fatalf("receipt %+v", r)
	}
	if r == nil {
		return
	}
	if r.SettledAmountUSD != l.usd || r.SettledAmountAsset != l.units || !strings.HasSuffix(*r.TxHash, "0"+l.tx) || *r.TransactionHash != *r.TxHash {
		t.Errorf("%s dollars, %s units in %s, want %s, %s in %s", r.SettledAmountUSD, r.SettledAmountAsset, *r.TxHash, l.usd, l.units, l.tx)
	}
	if (r.CompletedAt != nil) != l.completed || l.completed && *r.CompletedAt != millis(p.Standing.SettledAt) {
		t.Errorf("completed at %v", r.CompletedAt)
	}
	if r.PaymentID != docAlias || r.SelectedQuote == nil || r.SelectedQuote.Status != quoteUsed || r.SettledToken != r.SelectedQuote.Token || r.SettledChain.ChainID != 84532 {
		t.Errorf("%+v", r)
	}
	if *r.TxSenderAddress != "0x742d35cc6634c0532925a3b844bc454e4438f44e" || *r.BlockNumber != *r.TxBlockNumber || r.RequiredConfirmations != 12 {
		t.Errorf("%+v", r)
	}
	final := p.Transfers[0].Stage == payment.Final
	if got := r.Confirmations; final && got < 12 || !final && got != 110-*r.BlockNumber+1 {
		t.Errorf("%d confirmations", got)
	}
}

// What contracts sent may have no transaction that can be named.
func TestReceiptWithoutTransaction(t *testing.T) {
	p := sample(t)
	came(p, docQuote, 100, time.Minute, payment.Final)
	p.Transfers[0].Evidence.Tx, p.Transfers[0].Evidence.Payer = "", ""
	p.Standing = payment.Assess(p.Terms, p.Transfers, nil, created.Add(2*time.Minute))
	told, err := words{book: sepolias(t)}.payment(p, "m", statusOf(p), created.Add(2*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if r := told.Receipt; r.TxHash != nil || r.TransactionHash != nil || r.TxSenderAddress != nil || *r.TxBlockNumber != 100 || r.Confirmations != 0 {
		t.Errorf("%+v", r)
	}
}

func TestUpdated(t *testing.T) {
	for _, l := range lives() {
		p, _ := l.after(t)
		at := updatedAt(p)
		if at.Before(p.Terms.CreatedAt) || slices.ContainsFunc(p.Transfers, func(x payment.Transfer) bool { return x.At.After(at) }) ||
			p.Standing.State == payment.Expired && at.Before(p.Terms.ExpiresAt) {
			t.Errorf("%s: %s", l.name, at)
		}
	}
}

func TestReturn(t *testing.T) {
	p := sample(t)
	came(p, docQuote, 100, time.Minute, payment.Final)
	p.Standing = payment.Assess(p.Terms, p.Transfers, nil, created.Add(2*time.Minute))
	got, err := Return(p)
	if want := redirect + "?paymentId=" + docAlias + "&status=completed&cartId=abc123&promo=SUMMER24"; got != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	p.Terms.RedirectURL = ""
	if got, err := Return(p); got != "" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
