package payment_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
)

const eth asset.ID = "ETH-base"

var (
	quoted    = time.Date(2025, 10, 10, 21, 44, 6, 0, time.UTC)
	ether     = asset.Token{ID: eth, Chain: 84532, Decimals: 18, Native: true}
	seedPrice = money.Price{Value: big.NewInt(374205353900), At: quoted, Source: "chainlink"}
)

func freeze(dollars *big.Int, of asset.Token, p money.Price) (payment.Quote, error) {
	return payment.FreezeQuote("q", 0, dollars, of, p, quoted, quoted.Add(payment.QuoteLife))
}

// The documentation's example is a quote for 250 cents, rounded down: ours is the next
// whole wei.
func TestTheDocumentedQuote(t *testing.T) {
	q, err := freeze(money.Cents(250), ether, seedPrice)
	if err != nil {
		t.Fatal(err)
	}
	if q.Units.String() != "668082370801163" || q.Price.String() != "3742.05353900" || !q.ExpiresAt.Equal(quoted.Add(10*time.Minute)) {
		t.Errorf("%s wei at %s until %s", q.Units, q.Price, q.ExpiresAt)
	}
	hundred, err := freeze(money.Cents(100), ether, seedPrice)
	if err != nil || hundred.Units.String() != "267232948320465" {
		t.Errorf("%s wei, %v", hundred.Units, err)
	}
	if !q.Active(q.ExpiresAt.Add(-1)) || q.Active(q.ExpiresAt) {
		t.Error("a quote is good until just before its end")
	}
}

func TestNoQuoteOfNothing(t *testing.T) {
	for _, cents := range []int64{0, -1} {
		if q, err := freeze(money.Cents(cents), ether, seedPrice); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d cents: %v, %v", cents, q, err)
		}
	}
	huge := asset.Token{ID: eth, Decimals: 77}
	if q, err := freeze(money.Cents(100_000_000), huge, money.Price{Value: big.NewInt(1)}); !fault.Is(err, fault.Invalid) {
		t.Errorf("more than 256 bits: %v, %v", q, err)
	}
}

func drawQuote(t *rapid.T) payment.Quote {
	due := money.Cents(rapid.Int64Range(100, 100_000_000).Draw(t, "cents"))
	of := asset.Token{ID: eth, Decimals: rapid.SampledFrom([]uint8{0, 2, 6, 8, 18}).Draw(t, "decimals")}
	price := money.Price{Value: big.NewInt(rapid.Int64Range(1, 1e15).Draw(t, "price"))}
	q, err := freeze(due, of, price)
	if err != nil {
		t.Fatal(err)
	}
	// What is asked for is worth what is due, and a unit less is not.
	worth := func(units *big.Int) *big.Int { // in 10^-(18+8+decimals), exactly
		v := new(big.Int).Mul(units, price.Value)
		return v.Mul(v, new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil))
	}
	exact := new(big.Int).Mul(due, new(big.Int).Exp(big.NewInt(10), big.NewInt(8+int64(of.Decimals)), nil))
	less := new(big.Int).Sub(q.Units, big.NewInt(1))
	if worth(q.Units).Cmp(exact) < 0 || worth(less).Cmp(exact) >= 0 {
		t.Fatalf("%s units for %s at %s", q.Units, due, price)
	}
	return q
}

// However a payment is cut into parts, and in whatever order they count, they are worth
// what it is at once, and no more than one of the smallest parts of a dollar each above it.
func TestParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuote(t)
		if q.Credit(q.Units).Cmp(q.Due) != 0 {
			t.Fatalf("all of it is worth %s of %s", q.Credit(q.Units), q.Due)
		}
		left, credited := new(big.Int).Set(q.Units), new(big.Int)
		parts := int64(1)
		for range rapid.IntRange(0, 5).Draw(t, "parts") {
			part := new(big.Int).Mul(left, big.NewInt(rapid.Int64Range(0, 100).Draw(t, "percent")))
			part.Quo(part, big.NewInt(100))
			credited.Add(credited, q.Credit(part))
			left.Sub(left, part)
			parts++
			if missing := q.For(new(big.Int).Sub(q.Due, credited)); credited.Cmp(q.Due) < 0 &&
				(missing.Cmp(left) > 0 || new(big.Int).Add(credited, q.Credit(missing)).Cmp(q.Due) < 0) {
				t.Fatalf("%s units are missing, %s are asked for", left, missing)
			}
		}
		credited.Add(credited, q.Credit(left))
		if over := new(big.Int).Sub(credited, q.Due); over.Sign() < 0 || over.Cmp(big.NewInt(parts)) > 0 {
			t.Fatalf("credited %s of %s", credited, q.Due)
		}
	})
}

// People are asked for what they can type at an exchange, and for no tenth of a cent more.
func TestAsk(t *testing.T) {
	of := func(decimals uint8, price int64) payment.Quote {
		q, err := freeze(money.Cents(100), asset.Token{ID: eth, Decimals: decimals}, money.Price{Value: big.NewInt(price)})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	for _, c := range []struct {
		name     string
		decimals uint8
		price    int64 // in hundred-millionths
		cents    int64
		want     string
	}{
		{"ether", 18, 374205353900, 100, "267240000000000"},
		{"half of it", 18, 374205353900, 50, "133620000000000"},
		{"a token with six decimals", 6, 100000000, 100, "1000000"},
		{"one with eight", 8, 374205353900, 100, "26724"},
		{"one as dear as that a tenth of a cent has more decimals", 18, 100_000_00000000, 100, "10000000000000"},
		{"the same, and not round", 18, 300_000_00000000, 100, "3333333333334"},
		{"a cheap one", 18, 1, 1, "1000000000000000000000000"},
	} {
		q := of(c.decimals, c.price)
		got := q.Ask(money.Cents(c.cents), c.decimals)
		if got.String() != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
		if worth := q.Credit(got); worth.Cmp(money.Cents(c.cents)) < 0 {
			t.Errorf("%s: worth %s", c.name, worth)
		}
		if c.cents == 100 && (!q.Fits(got) || !q.Fits(q.Units) || q.Fits(new(big.Int).Sub(q.Units, big.NewInt(1)))) {
			t.Errorf("%s does not fit", c.name)
		}
	}
	if q := of(6, 100000000); !q.Fits(big.NewInt(1_009_999)) || q.Fits(big.NewInt(1_010_000)) {
		t.Error("a cent above fits")
	}
}

func TestWhichQuoteCounts(t *testing.T) {
	quote := func(id string, of asset.ID, minute int, units int64, asked bool) payment.Quote {
		at := quoted.Add(time.Duration(minute) * time.Minute)
		return payment.Quote{ID: id, Asset: of, Due: money.Cents(100 * units), Units: big.NewInt(units), CreatedAt: at, ExpiresAt: at.Add(payment.QuoteLife), Asked: asked}
	}
	p := &payment.Payment{Quotes: []payment.Quote{
		quote("b", eth, 20, 100, true), quote("a", eth, 0, 90, true), quote("c", "USDC-base", 5, 50, true), quote("d", eth, 25, 80, false),
		quote("e", "DAI-base", 0, 90, true), quote("f", "DAI-base", 1, 80, true),
	}}
	for _, c := range []struct {
		name   string
		of     asset.ID
		minute int
		units  int64
		id     string // by which it counts, "" for none
		active string // that is shown then
	}{
		{"at once", eth, 0, 90, "a", "a"},
		{"another amount", eth, 0, 1, "a", "a"},
		{"its last minute", eth, 9, 90, "a", "a"},
		{"at its end, which has a grace", eth, 10, 90, "a", ""},
		{"within the grace", eth, 11, 90, "a", ""},
		{"at the end of the grace", eth, 12, 90, "", ""},
		{"long after", eth, 19, 90, "", ""},
		{"a new one", eth, 20, 90, "b", "b"},
		{"of two the one that was shown", eth, 26, 7, "b", "b"},
		{"of two that were the newer", "DAI-base", 2, 7, "f", "f"},
		{"one that nobody was shown, while it is the only one", eth, 33, 7, "d", ""},
		{"of two the one that asked for it", eth, 26, 100, "b", "b"},
		{"another asset", "USDC-base", 6, 50, "c", "c"},
		{"before there was one", "USDC-base", 4, 50, "", ""},
		{"an asset nobody asked for", "USDT-base", 6, 50, "", ""},
	} {
		at := quoted.Add(time.Duration(c.minute) * time.Minute)
		q, found := p.QuoteFor(0, c.of, big.NewInt(c.units), at)
		if q.ID != c.id || found != (c.id != "") {
			t.Errorf("%s: counts by %q, %t", c.name, q.ID, found)
		}
		then := &payment.Payment{Quotes: slices.DeleteFunc(slices.Clone(p.Quotes), func(q payment.Quote) bool { return q.CreatedAt.After(at) })}
		if q, found := then.ActiveQuote(0, c.of, at); q.ID != c.active || found != (c.active != "") {
			t.Errorf("%s: shows %q, %t", c.name, q.ID, found)
		}
	}
	if _, found := p.QuoteFor(1, eth, big.NewInt(90), quoted); found {
		t.Error("another request's quote counts")
	}
}
