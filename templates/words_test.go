//go:build !nosandbox

package templates_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// One row a sentence, as a payer reads it; the table is as long as there is to say.
func TestWordsArePartOfTheContract(t *testing.T) {
	for _, row := range []struct{ story, selector, want string }{
		{"open", "#safety-title", "This is a safe smart contract"},
		{"open", "#safety-text", "The smart contract you are interacting with is an official Request Network smart contract, it is audited and valid."},
		{"open", "#sandbox-banner", "Sandbox: no real money"},
		{"open", "#amount", "10.00 USDC"},
		{"open", "#fee", ""},
		{"open", "#total", "10.00 USDC"},
		{"open", "#time-left", "until 14:30 UTC"},
		{"open", "#expires-at", "12 January 2026 at 14:30 UTC"},
		{"open-fee", "#fee", "0.25 USDC"},
		{"open-fee", "#total", "10.25 USDC"},
		{"open-partial", "#amount", "6.00 USDC"},
		{"open-partial", "#partial", "4.00 of 10.00 USDC has arrived. 6.00 USDC is still to pay."},
		{"open", "#merchant-link", "Back to Acme Store"},
		{"seen", "#amount", "10.00 USDC"},
		{"batch", "#count", "4 payments to 4 accounts, all in one transaction"},
		{"batch-long", "#items-more summary", "Show all 12 payments"},
		{"batch-200", "#count", "200 payments to 150 accounts, all in one transaction"},
		{"batch", "#items-progress", ""},
		{"batch-partial", "#items-progress", "1 of 4 paid"},
		{"batch-partial", "#partial", "35.00 USDC has arrived. 40.00 USDC and 25.00 USDT are still to pay."},
		{"batch-partial", "[data-item='1'] .item-state", "10.00 of 25.00 USDC has arrived"},
		{"batch-seen", "#items-progress", "12 of 12 on the way"},
		{"batch", "head title", "Pay 75.00 USDC and 25.00 USDT: Acme Store"},
		{"batch-contract-fee", "[data-total='0'] .total-contract", "0.225 USDC"},
		{"access-listed", "#access strong", "Only certain wallets can pay this."},
		{"access-screened", "#access strong", "Wallets are screened before they can pay this."},
		{"payee-short", "#payee", "0x8626…1199"},
		{"payout", "#heading", "You are paying out to Freelancer 4711"},
		{"payout", "#payout-for", "Acme Store"},
		{"payout-nameless", "#heading", "You are paying out to 0x8626…1199"},
		{"payout", "head title", "Pay out 10.00 USDC to Freelancer 4711"},
		{"blocked", ".ending-blocked h2", "This payment cannot be made"},
		{"locked-open", "head title", "Private payment"},
		{"locked-expired", "#locked-text", "You are coming too late. Please contact the recipient to send you a new payment link."},
		{"seen", "#confirmations-text", "1 of 3 confirmations"},
		{"paid", "#success-title", "This payment has already been made."},
		{"paid", "#success-text", "If that is not the case, please check the link and try again, or contact the recipient of this payment."},
		{"paid-bridge", "#success-given", "10.03 USDT on Arbitrum One"},
		{"paid", "#success-tx", "0x5e1d3a76fbf824220eafc8c79ad578ad2b67d01b0c2425eb1f1347e8f50882ab"},
		{"paid-default-label", "#merchant-link", "Go Back and Close"},
		{"paid-no-redirect", "#close", "Go Back and Close"},
		{"paid-over", "#surplus strong", "2.50 USDC more than asked for has arrived."},
		{"expired", ".ending-expired .lead", "You are coming too late. Please contact the recipient to send you a new payment link."},
		{"expired-under", "#arrived strong", "4.00 USDC has arrived all the same."},
		{"unsafe-code-pinned", "#unsafe-text", "There is an issue with this payment call data. Please contact the recipient to send you a new payment link."},
		{"unsafe-code-pinned", "#unsafe-check", "Contract code unchanged"},
		{"safe-waiting", "head title", "Waiting for signatures: Acme Store"},
		{"safe-waiting", "#progress-text", "The payment was proposed to a Safe. 2 of 3 owners must sign it, and then one of them executes it. Nothing leaves the Safe before that."},
		{"safe-waiting", "#safe-signed-text", "1 of 2 signatures"},
		{"safe-waiting", "#safe-queue", "Number 7 (nonce), the next one"},
		{"safe-waiting-queue", "#safe-queue", "Number 12 (nonce), 2 come before it"},
		{"safe-waiting-queue", "#safe-chain", "Arbitrum One (sandbox)"},
		{"safe-waiting", "[data-signed='true'] .safe-owner-state", "Signed"},
		{"safe-waiting-untold", "#safe-signed-text", ""},
		{"safe-waiting-signed", "#progress-title", "Signed, and waiting to be executed"},
		{"safe-foreign", "#progress-title", "A payment from a Safe is waiting"},
		{"safe-executed", "#progress-title", "The Safe has sent the payment"},
		{"safe-failed", "#failed-title", "The Safe's transaction failed"},
		{"safe-late", "#failed-title", "The Safe's transaction came too late"},
		{"failed", "#failed-title", "This payment did not go through"},
		{"open-safe-replaced", "#safe-told-title", "The Safe used another transaction instead"},
		{"open-safe-waiting", "#safe-told-title", "Your Safe can still make this payment"},
		{"paid-safe", "#payer-safe", "a Safe, signed by its owners"},
		{"op-waiting", "head title", "Your payment without gas is on its way: Acme Store"},
		{"op-waiting", "#op-gas", "0 ETH"},
		{"op-waiting", "#op-account", "0x8C1B…C0aF"},
		{"op-waiting-open", "#op-chain", "Arbitrum One (sandbox)"},
		{"op-foreign", "#progress-title", "A payment without gas is on its way"},
		{"op-executed", "#progress-title", "Your payment was carried out"},
		{"op-failing", "#progress-title", "The payment did not go through"},
		{"op-failing", "#op-why", "The contracts said: “ERC20: transfer amount exceeds balance”"},
		{"op-replacing", "#progress-title", "The payment did not go through"},
		{"open-op-failed", "#op-told-title", "The payment without gas did not go through"},
		{"open-op-replaced", "#op-told-title", "Your smart account did something else instead"},
		{"open-op-expired", "#op-told-title", "The payment without gas was not carried out in time"},
		{"open-op-refused", "#op-told-title", "The payment without gas could not be sent"},
		{"open-op-waiting", "#op-told-title", "Your earlier payment may still go through"},
		{"open-op-executed", "#op-told-title", "Your payment was carried out"},
		{"paid-gasless", "#payer-gasless", "the smart account of the payer's wallet"},
		{"paid-gasless", "#success-gas", "0 ETH, paid by a sponsor"},
		{"unknown", "#plain-text", "This URL is invalid. Please check the link and try again, or contact the recipient of this payment."},
		{"unknown", "#request-id", "01JZX7T6Q0"},
	} {
		_, doc := render(t, story(t, row.story).Page)
		el := doc.Find(row.selector)
		if el.Length() != 1 {
			t.Errorf("%s: %d of %s", row.story, el.Length(), row.selector)
		} else if got := words(el); got != row.want {
			t.Errorf("%s: %s is %q, want %q", row.story, row.selector, got, row.want)
		}
	}
}

// A hidden payment's page says where it stands, and nothing that the view model
// of its page has.
func TestLockedPagesTellNothing(t *testing.T) {
	secret := story(t, "open").View
	for _, s := range stories() {
		if !strings.HasPrefix(s.Name, "locked-") {
			continue
		}
		text, doc := render(t, s.Page)
		for _, told := range []string{secret.Merchant, secret.Payee, secret.Due, secret.Symbol, secret.Reference, secret.Network, secret.OrderNote, "USDC", "8453", "acme"} {
			if strings.Contains(strings.ToLower(text), strings.ToLower(told)) {
				t.Errorf("%s tells %q", s.Name, told)
			}
		}
		var data map[string]any
		if err := json.Unmarshal([]byte(doc.Find("script#payment").Text()), &data); err != nil {
			t.Fatal(err)
		}
		if len(data) != 3 || data["locked"] != true {
			t.Errorf("%s: data block is %v", s.Name, data)
		}
	}
}

// What is not proven must not be told to those who did not say it: the view has
// none of it, and the page makes up for none.
func TestForeignSafeTellsNothing(t *testing.T) {
	_, doc := render(t, story(t, "safe-foreign").Page)
	for _, hidden := range []string{"#safe-signatures", "#safe-owners", "#safe-address-row", "#safe-chain-row", "#safe-queue-row", "#safe-deadline-row"} {
		if _, ok := doc.Find(hidden).Attr("hidden"); !ok {
			t.Errorf("%s shows", hidden)
		}
	}
	if _, ok := doc.Find("#safe").Attr("data-told"); ok || doc.Find("#safe-owners li").Length() != 0 {
		t.Error("the page says that it knows the Safe")
	}
	if _, ok := doc.Find("#safe-until-row").Attr("hidden"); ok {
		t.Error("the page does not say how long that lasts")
	}
}

// Who may not know of an operation is told that there is one, and how long.
func TestForeignOperationTellsNothing(t *testing.T) {
	_, doc := render(t, story(t, "op-foreign").Page)
	for _, hidden := range []string{"#op-account-row", "#op-hash-row", "#op-chain-row", "#op-gas-row", "#op-why", "#progress-tx"} {
		if _, ok := doc.Find(hidden).Attr("hidden"); !ok {
			t.Errorf("%s is shown", hidden)
		}
	}
	if _, ok := doc.Find("#op").Attr("data-own"); ok {
		t.Error("the page says that its reader sent it")
	}
	if _, ok := doc.Find("#op-until-row").Attr("hidden"); ok {
		t.Error("the page does not say how long")
	}
}
