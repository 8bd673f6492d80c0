package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/rate/market"
)

// The account of the test phrase that everybody has. Nobody's money is there.
const (
	testXPub = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"
	testXPrv = "xprv9yeny6n2dNUokQFykGoZU6BDLeKbEBUoBeCFe2VF6MXdrHrprMYRc4tddncDRxrJCy7GtPDk68zRcgWtGFveqdCV5NyhZwVgMoZVbTm78vx"

	treasury = "0x7e00000000000000000000000000000000000001"
)

// shop is a rig whose merchant takes payments in dollars.
type shop struct {
	*rig
	secret, usdc, merchant string
	dir                    string
}

func baseUSDC(t *testing.T) string {
	t.Helper()
	_, tokens := asset.Real()
	for _, x := range tokens {
		if x.ID == "USDC-base" {
			return x.Address.String()
		}
	}
	t.Fatal("there is no USDC on Base")
	return ""
}

func newShop(t *testing.T) *shop { return newShopOn(t, "") }

// newShopOn is a shop on a database, "" for a SQLite file.
func newShopOn(t *testing.T, database string) *shop {
	t.Helper()
	prices := httptest.NewServer(market.New(time.Now, map[string]string{"ethereum": "2000", "usd-coin": "1"}))
	t.Cleanup(prices.Close)
	s := &shop{usdc: baseUSDC(t), dir: t.TempDir()}
	funder := chaintest.New(t).Other.Address() // the same key on every chain
	s.rig = newRigWith(t, fmt.Sprintf(`
prices: {api: {url: %q, ids: {ETH-base: ethereum, USDC-base: usd-coin}, per_minute: 1000}}
deposits: {pool: 10, funders: [%q]}
limits: {api_keys: "0", page: "0"}
`, prices.URL, funder), chaintest.WithUSDC(s.usdc))
	if database != "" {
		s.use(database)
	}
	id, _ := s.run("merchant", "create", "Shop")["id"].(string)
	if out, stderr, err := s.say(testXPub+"\n", "deposits", "key", "--merchant", id); err != nil {
		t.Fatalf("setting the key: %v\n%s%s", err, out, stderr)
	}
	s.secret, _ = s.run("apikey", "create", "--kind", "spacepay_secret", "--merchant", id)["secret"].(string)
	s.merchant = id
	s.start()
	return s
}

type dollarPayment struct {
	ID, Status     string
	DepositAddress struct{ Address string }
	Quotes         []struct{ ExpectedAmountAsset string }
	Receipt        map[string]any
}

// order makes a payment of five dollars.
func (s *shop) order() dollarPayment {
	s.t.Helper()
	var made struct{ Payment dollarPayment }
	s.await("an address to be given out", func() bool {
		return s.ask(http.MethodPost, "", `{"orderId":"order","amount":500,"currency":"USD"}`, &made) == http.StatusCreated
	})
	return made.Payment
}

func (s *shop) ask(method, path, body string, into any) int {
	s.t.Helper()
	r, err := http.NewRequest(method, s.url+"/v1/external/secretkey-auth/payments"+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("X-SpacePay-Secret-Key", s.secret)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || json.Unmarshal(text, into) != nil {
		s.t.Fatalf("%s %s: %d %s %v", method, path, answer.StatusCode, text, err)
	}
	return answer.StatusCode
}

func (s *shop) payment(id string) (p dollarPayment) {
	s.ask(http.MethodGet, "/"+id, "", &p)
	return p
}

func (s *shop) awaitStatus(id, status string) dollarPayment {
	s.t.Helper()
	s.await("payment "+id+" to be "+status, func() bool { return s.payment(id).Status == status })
	return s.payment(id)
}

// produce mines until it is told to stop.
func (s *shop) produce() (stop func()) {
	done := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				s.chain.Mine(1)
			}
		}
	})
	return sync.OnceFunc(func() { close(done); wait.Wait() })
}

func (s *shop) file(name string) string { return filepath.Join(s.dir, name) }

type listed struct {
	Totals []struct {
		Network, Asset, Amount string
		Addresses              int
	}
	Addresses []struct {
		Address, Path, Alias, State string
		Open                        bool
		Holds                       []struct{ Asset, Units string }
	}
}

func (s *shop) list(args ...string) (l listed) {
	s.t.Helper()
	out, stderr, err := s.say("", append([]string{"sweep", "list"}, args...)...)
	if err != nil || json.Unmarshal(out, &l) != nil {
		s.t.Fatalf("sweep list: %v\n%s%s", err, out, stderr)
	}
	return l
}

// send sends a plan and returns what became of its transactions, in their order.
func (s *shop) send(files ...string) (states []string, stderr string, err error) {
	s.t.Helper()
	out, stderr, err := s.say("", append([]string{"sweep", "send", "--yes", "--wait", "20s", s.file("plan.json")}, files...)...)
	for line := range bytes.Lines(out) {
		var x struct{ State, Kind string }
		if json.Unmarshal(line, &x) != nil {
			s.t.Fatalf("sweep send: %s", line)
		}
		states = append(states, x.Kind+" "+x.State)
	}
	return states, stderr, err
}

// signFunds does what a hardware wallet of the funder's does with an exported file.
func (s *shop) signFunds(name string) {
	s.t.Helper()
	text, err := os.ReadFile(name)
	var x exchange
	if err != nil || json.Unmarshal(text, &x) != nil {
		s.t.Fatalf("the exported file: %v\n%s", err, text)
	}
	for i, item := range x.Transactions {
		if item.Kind != "fund" {
			continue
		}
		digest, err := hex.DecodeString(strings.TrimPrefix(item.Hash, "0x"))
		if err != nil {
			s.t.Fatal(err)
		}
		x.Transactions[i].Signature = "0x" + hex.EncodeToString(s.chain.Other.SignDigest([32]byte(digest)))
	}
	if text, err = json.Marshal(x); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Operators name payments in dollars by the ids that merchants know them by.
func TestDollarsAtTheCommandLine(t *testing.T) {
	s := newShop(t)
	paid, open := s.order(), s.order()
	s.chain.Transfer(s.usdc, paid.DepositAddress.Address, big.NewInt(5_000_000))
	s.chain.Mine(4)
	s.awaitStatus(paid.ID, "completed")
	if got := s.run("payment", "show", strings.ToUpper(paid.ID)); got["state"] != "paid" {
		t.Errorf("shown: %v", got)
	}
	refund := []string{"payment", "refunded", paid.ID, "--merchant", s.merchant, "--tx", "0x" + strings.Repeat("ab", 32), "--to", s.chain.Wallet.Address(), "--amount", "1.5"}
	for reason, more := range map[string][]string{"--asset is needed": nil, "not known": {"--asset", "GOLD-base"}, "ETH-base": {"--asset", "ETH-base"}} {
		if _, stderr, err := s.say("", append(refund, more...)...); err == nil || reason != "ETH-base" && !strings.Contains(stderr, reason) {
			t.Errorf("refunded with %s: %v %s", more, err, stderr)
		}
	}
	refund = append(refund, "--asset", "usdc-base")
	for _, recorded := range []bool{true, false} {
		if got := s.run(refund...); got["recorded"] != recorded {
			t.Errorf("refunded: %v, want %t", got, recorded)
		}
	}
	if out, stderr, err := s.say("", "payment", "cancel", open.ID, "--merchant", s.merchant); err != nil {
		t.Errorf("called off: %v\n%s%s", err, out, stderr)
	}
	s.awaitStatus(open.ID, "cancelled")
	for _, name := range []string{"payment", "11111111-1111-4111-8111-111111111111"} {
		if _, stderr, err := s.say("", "payment", "show", name); err == nil || !strings.Contains(stderr, "no payment's token or id") {
			t.Errorf("%s: %v %s", name, err, stderr)
		}
	}
}

// What payers sent goes to the merchant's own address: listed and planned beside the
// server, signed without it, by the key's holder and the funder, and sent in two goes.
// The server takes none of it for money.
func TestSweepFromPaymentToTreasury(t *testing.T) {
	s := newShop(t)
	inTokens, inCoins, open := s.order(), s.order(), s.order()
	five := big.NewInt(5_000_000)
	s.chain.Transfer(s.usdc, inTokens.DepositAddress.Address, five)
	coins, _ := new(big.Int).SetString(inCoins.Quotes[0].ExpectedAmountAsset, 10)
	s.chain.Send(inCoins.DepositAddress.Address, coins, nil)
	s.chain.Transfer(s.usdc, open.DepositAddress.Address, big.NewInt(1_000_000)) // four dollars less than needed
	s.chain.Mine(4)
	before := map[string]dollarPayment{inTokens.ID: s.awaitStatus(inTokens.ID, "completed"), inCoins.ID: s.awaitStatus(inCoins.ID, "completed")}
	s.awaitStatus(open.ID, "processing")

	l := s.list()
	if len(l.Totals) != 2 || l.Totals[0].Asset != "USDC-base" || l.Totals[0].Amount != "6" || l.Totals[0].Addresses != 2 || len(l.Addresses) != 3 {
		t.Fatalf("listed %+v", l)
	}
	for i, want := range []dollarPayment{inTokens, inCoins, open} {
		got := l.Addresses[i]
		if !strings.EqualFold(got.Address, want.DepositAddress.Address) || got.Alias != want.ID || got.Open != (i == 2) || got.Path != fmt.Sprintf("m/44'/60'/0'/0/%d", i) {
			t.Errorf("address %d is %+v", i, got)
		}
	}

	// A stranger's gas money would be a payment; the configured funder's is not.
	plan := []string{"sweep", "plan", "--network", "base", "--to", treasury, "-o", s.file("plan.json")}
	if _, stderr, err := s.say("", append(plan, "--funder", s.chain.Wallet.Address())...); err == nil || !strings.Contains(stderr, "deposits.funders") {
		t.Errorf("a funder that the server does not know: %v %s", err, stderr)
	}
	if _, stderr, err := s.say("", "sweep", "plan", "--network", "base", "--to", inCoins.DepositAddress.Address, "-o", s.file("bad.json")); err == nil || !strings.Contains(stderr, "deposit address itself") {
		t.Errorf("to a deposit address: %v %s", err, stderr)
	}
	planned := s.run(append(plan, "--funder", s.chain.Other.Address())...)
	if left, _ := planned["leftOpen"].([]any); planned["transactions"] != float64(3) || len(left) != 1 || planned["funder"] != s.chain.Other.Address() {
		t.Fatalf("planned %v", planned)
	}

	// Signed where the key is.
	if out, stderr, err := s.say(testXPrv+"\na passphrase\n", "sweep", "key", "-o", s.file("account.json")); err != nil || !bytes.Contains(out, []byte("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")) {
		t.Fatalf("sealing the key: %v\n%s%s", err, out, stderr)
	}
	sign := []string{"sweep", "sign", "--yes", "--max-gas", "0.01", "--key", s.file("account.json"), s.file("plan.json"), "-o", s.file("signed.txt")}
	if _, stderr, err := s.say("a passphrase\n", append(sign, "--to", s.chain.Wallet.Address())...); err == nil || !strings.Contains(stderr, "the plan sends to") {
		t.Errorf("to somebody else: %v %s", err, stderr)
	}
	if _, stderr, err := s.say("a passphrase\n", append(sign, "--to", treasury)...); err != nil || !strings.Contains(stderr, fmt.Sprint(planned["fingerprint"])) {
		t.Fatalf("signing: %v\n%s", err, stderr)
	}

	stop := s.produce()
	defer stop()
	states, stderr, err := s.send(s.file("signed.txt"))
	if want := "fund unsigned, token refused, native mined"; strings.Join(states, ", ") != want || err == nil || !strings.Contains(stderr, "not all of the plan is through") {
		t.Fatalf("sent without gas money: %v %v\n%s", states, err, stderr)
	}
	s.run("sweep", "export", s.file("plan.json"), "-o", s.file("exchange.json"))
	s.signFunds(s.file("exchange.json"))
	if got := s.run("sweep", "attach", s.file("plan.json"), s.file("exchange.json"), "-o", s.file("funds.txt")); got["signed"] != float64(1) || got["left"] != float64(2) {
		t.Fatalf("attached %v", got)
	}
	for range 2 { // running it again changes nothing
		states, stderr, err = s.send(s.file("signed.txt"), s.file("funds.txt"))
		if want := "fund mined, token mined, native mined"; strings.Join(states, ", ") != want || err != nil {
			t.Fatalf("sent: %v %v\n%s", states, err, stderr)
		}
	}
	stop()
	if got := s.chain.Balance(s.usdc, treasury); got.Cmp(five) != 0 {
		t.Errorf("%s USDC arrived", got)
	}
	if got := s.chain.Balance("", treasury); got.Sign() <= 0 || got.Cmp(coins) >= 0 {
		t.Errorf("%s wei arrived of %s", got, coins)
	}
	s.isUntouched(before, open)
}

// isUntouched makes one more payment, so that what happened before it has been read, and
// looks whether the others are as they were.
func (s *shop) isUntouched(before map[string]dollarPayment, open dollarPayment) {
	s.t.Helper()
	last := s.order()
	s.chain.Transfer(s.usdc, last.DepositAddress.Address, big.NewInt(5_000_000))
	s.chain.Mine(4)
	s.awaitStatus(last.ID, "completed")
	for id, was := range before {
		is := s.payment(id)
		delete(is.Receipt, "confirmations") // there are more now
		delete(was.Receipt, "confirmations")
		if is.Status != was.Status || len(was.Receipt) == 0 || !reflect.DeepEqual(is.Receipt, was.Receipt) {
			s.t.Errorf("payment %s is %s with %s, was %s with %s", id, is.Status, is.Receipt, was.Status, was.Receipt)
		}
	}
	if out, stderr, err := s.say("", "orphan", "list"); err != nil || len(out) > 0 {
		s.t.Errorf("orphans: %v\n%s%s", err, out, stderr)
	}
	// Nothing is left but what is open, what came since, and dust of gas.
	l := s.list("--min", "ETH-base=0.001")
	if len(l.Addresses) != 2 || l.Addresses[0].Alias != open.ID || l.Addresses[1].Alias != last.ID {
		s.t.Errorf("left: %+v", l)
	}
}
