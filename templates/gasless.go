package templates

// How a user operation stands that should make the payment: the words of the
// status.
const (
	OpWaiting  = "waiting"  // to be carried out
	OpExecuted = "executed" // carried out, and its chain is confirming that
	OpFailed   = "failed"   // carried out, and the payment in it failed
	OpReplaced = "replaced" // the account did something else in its place
	OpExpired  = "expired"  // its permit has run out
	OpRefused  = "refused"  // nobody carries it
)

// Op is a user operation that should make the payment from the payer's smart
// account, for whose gas somebody else pays. What its reader may not know is empty.
type Op struct {
	Stage string // one of OpWaiting to OpRefused, "" if there is none
	Own   bool   // this browser sent it
	// Locked tells that nothing else can make the payment meanwhile: even of one that
	// failed, until its chain has confirmed that.
	Locked bool

	Account string // the smart account, EIP-55
	URL     string // the same in an explorer
	Chain   string // where it pays from, if that is not the payment's own chain
	Hash    string // its name, 0x and 64 hex digits
	TxURL   string // what carried it out, in an explorer
	Gas     string // what the payer pays for gas: "0 ETH"
	Until   Moment // when it can be carried out no longer
	// Why is what the contracts said when it failed: a stranger's words.
	Why string
}

// why quotes what the contracts said, "" if they said nothing.
func (o Op) why() string {
	if o.Why == "" || o.Stage != OpFailed {
		return ""
	}
	return "The contracts said: “" + o.Why + "”"
}

func (o Op) dated() bool { return o.Until.Machine != "" && o.Stage == OpWaiting }

// title is the heading of a payment that an operation is about to make, or has
// just failed to make.
func (o Op) title() string {
	switch {
	case o.Stage == OpExecuted:
		return "Your payment was carried out"
	case o.Stage != OpWaiting:
		return "The payment did not go through"
	case !o.Own:
		return "A payment without gas is on its way"
	}
	return "Your payment without gas is on its way"
}

// text says what that means.
func (o Op) text() string {
	switch {
	case o.Stage == OpExecuted:
		return "The network has it and is confirming it. This page updates by itself, and you can also close it. Do not pay again."
	case o.Stage == OpFailed:
		return "It was carried out, but the payment in it failed. Nothing was paid. The network is confirming that, and then you can pay again here. That takes a moment."
	case o.Stage != OpWaiting:
		return "Nothing was paid. The network is confirming that, and then you can pay again here. That takes a moment."
	case !o.Own:
		return "Somebody who has this link has sent the payment from a smart account. It cannot be paid in another way meanwhile, so that nobody pays twice. This page updates by itself."
	}
	return "It was handed in, and is usually carried out within seconds. This page updates by itself. You can also close it: the payment continues. Do not pay again."
}

// ending is what is said of it while the payment can be made.
func (o Op) ending() (title, text string) {
	const again = " You can pay now: without gas again, or with your wallet's own."
	switch o.Stage {
	case OpFailed:
		return "The payment without gas did not go through", "It was carried out, but the payment in it failed. No money has left your wallet, and you paid no gas." + again
	case OpReplaced:
		return "Your smart account did something else instead", "Another operation of it came first, so this payment can never be carried out. Nothing was paid." + again
	case OpExpired:
		return "The payment without gas was not carried out in time", "What you signed has run out, and cannot be used any more. Nothing was paid." + again
	case OpRefused:
		return "The payment without gas could not be sent", "The service that carries such payments has refused it. Nothing was paid, and nothing has left your wallet." + again
	case OpExecuted:
		return "Your payment was carried out", "The network is about to show the money. Please wait, and do not pay again."
	case OpWaiting:
		return "Your earlier payment may still go through", "It was sent without gas and has not been carried out so far. If you pay in another way now, the first step takes back what your smart account may take, so that you cannot pay twice."
	}
	return "", ""
}

// shortHash is a hash by its ends.
func shortHash(hash string) string {
	if len(hash) < 24 {
		return hash
	}
	return hash[:10] + "…" + hash[len(hash)-8:]
}

// opWaits says that the payment waits for an operation.
func (p *PayPage) opWaits() bool { return p.State == StateSeen && p.Op.Stage != "" }

// opAside says that an operation is to be told of beside paying.
func (p *PayPage) opAside() bool { return p.State == StateOpen && p.Op.Stage != "" }

func (p *PayPage) opTitle() string {
	title, _ := p.Op.ending()
	return title
}

func (p *PayPage) opText() string {
	_, text := p.Op.ending()
	return text
}
