package safe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
)

// The reasons why an account is not used as a Safe.
var (
	ErrNoContract = errors.New("no contract is at this address on this chain")
	ErrNotSafe    = errors.New("the contract at this address is not a Safe")
	ErrVersion    = errors.New("the Safe at this address runs code that is not of a known version") // in a *VersionError
	// ErrMultiSend is a chain without the contract that batches need.
	ErrMultiSend = errors.New("no contract for batches of calls is on this chain")
)

// VersionError says what a contract that is like a Safe calls its version: at
// most 20 printable characters, and nothing to rely on.
type VersionError struct{ Version string }

// Error names the version.
func (e *VersionError) Error() string {
	return fmt.Sprintf("%v: it calls itself %q", ErrVersion, e.Version)
}

// Unwrap returns ErrVersion.
func (e *VersionError) Unwrap() error { return ErrVersion }

// errAnswers is a node that contradicts itself.
var errAnswers = errors.New("the node's answers about a Safe make no sense")

// Account is a Safe as it stood at a block.
type Account struct {
	Chain     asset.ChainID
	Address   asset.Address
	Version   Version
	L2        bool
	Owners    []asset.Address
	Threshold uint64 // how many owners must sign, 1 to len(Owners)
	Nonce     uint64 // of the next transaction
	// MultiSend is the MultiSendCallOnly of this version, zero if the chain does
	// not have its code.
	MultiSend asset.Address

	Modules         []asset.Address // the first ten
	MoreModules     bool
	Guard           asset.Address // zero if there is none, as are the next two
	ModuleGuard     asset.Address // 1.5.0
	FallbackHandler asset.Address

	Warnings []Warning
	Block    chain.Block
}

// Warning is something about a Safe that its owners may want to know and that
// does not keep it from paying.
type Warning struct {
	Code string // stable: "safe_modules", "safe_guard", "safe_module_guard", "safe_fallback_handler"
	Text string // one sentence
}

// warn notes what is unusual.
func (a *Account) warn(t *Table) {
	note := func(unusual bool, code, text string) {
		if unusual {
			a.Warnings = append(a.Warnings, Warning{code, text})
		}
	}
	handler, known := t.Contract(a.Chain, a.FallbackHandler)
	known = known && handler.Kind == FallbackHandler || a.FallbackHandler.IsZero()
	note(len(a.Modules) > 0, "safe_modules", "Modules of this Safe can move its money without the owners' signatures.")
	note(!a.Guard.IsZero(), "safe_guard", "A guard of this Safe may refuse the transaction.")
	note(!a.ModuleGuard.IsZero(), "safe_module_guard", "A guard watches what this Safe's modules do.")
	note(!known, "safe_fallback_handler", "Calls that this Safe does not know go to a contract that is not Safe's own.")
}

// Where Safes keep what has no question of its own: keccak256 of
// "guard_manager.guard.address", "module_manager.module_guard.address" and
// "fallback_manager.handler.address".
const (
	slotSingleton   = "0x0000000000000000000000000000000000000000000000000000000000000000"
	slotGuard       = "0x4a204f620c8c5ccdca3fd54d003badd85ba500436a431f0cbda4f558c93c34c8"
	slotModuleGuard = "0xb104e0b93118902c651344349b610029d694cfdec91c589c91ebafbcd0289947"
	slotHandler     = "0x6c9a6c4a39284e37ed1cf53d337577d14212a4870fb976a4366c693b939918d5"
)

// The calldata of a Safe's questions.
var (
	askVersion   = []byte{0xff, 0xa1, 0xad, 0x74} // VERSION()
	askOwners    = []byte{0xa0, 0xe6, 0x7e, 0x2b} // getOwners()
	askThreshold = []byte{0xe7, 0x52, 0x35, 0xb8} // getThreshold()
	askNonce     = []byte{0xaf, 0xfe, 0xd0, 0xe0} // nonce()
	askModules   = modulesCall()
)

const maxModules = 10

// sentinel begins and ends the Safe's own lists.
var sentinel = asset.Address{19: 1}

// modulesCall is getModulesPaginated(address,uint256) from the list's beginning.
func modulesCall() []byte {
	w := words{out: []byte{0xcc, 0x2f, 0x84, 0x52}}
	w.address(sentinel)
	w.small(maxModules)
	return w.out
}

// The places of the questions in Read's batch; the code of MultiSendCallOnly
// follows, one for each version and address.
const (
	qBlock = iota
	qCode
	qSingleton
	qGuard
	qModuleGuard
	qHandler
	qVersion
	qOwners
	qThreshold
	qNonce
	qModules
	qCount
)

// Read asks a chain what is at an address, all in one round trip at its head.
//
// Errors: ErrNoContract; ErrNotSafe; ErrVersion in a *VersionError; what the
// node's Batch returns, the fault Unavailable "chain_unavailable" among it; and
// others if the node's answers make no sense.
func (t *Table) Read(ctx context.Context, node chain.Batcher, id asset.ChainID, address asset.Address) (*Account, error) {
	multi := t.Contracts(id, MultiSendCallOnly)
	rs, err := node.Batch(ctx, questions(address, multi))
	if err != nil {
		return nil, fmt.Errorf("reading a Safe on chain %d: %w", id, err)
	}
	if len(rs) != qCount+len(multi) {
		return nil, fmt.Errorf("chain %d: %w", id, errAnswers)
	}
	a := &Account{Chain: id, Address: address}
	if err := a.recognise(t, rs); err != nil {
		return nil, fmt.Errorf("%s on chain %d: %w", address, id, err)
	}
	if err := a.fill(rs); err != nil {
		return nil, fmt.Errorf("%s on chain %d: %w", address, id, err)
	}
	for i, c := range multi {
		code, err := rs[qCount+i].Bytes()
		if err != nil {
			return nil, fmt.Errorf("chain %d: code of MultiSendCallOnly: %w", id, err)
		}
		if c.Version == a.Version && a.MultiSend.IsZero() && official.CodeHash(code) == c.CodeHash {
			a.MultiSend = c.Address
		}
	}
	a.warn(t)
	return a, nil
}

func questions(a asset.Address, multi []Contract) []chain.Call {
	view := func(data []byte) chain.Call { return chain.ContractCall(chain.Msg{To: a, Data: data}, chain.Latest) }
	slot := func(s string) chain.Call {
		return chain.Call{Method: "eth_getStorageAt", Params: []any{a.Lower(), s, chain.Latest}}
	}
	calls := []chain.Call{
		qBlock: chain.HeaderCall(chain.Latest), qCode: chain.CodeCall(a, chain.Latest),
		qSingleton: slot(slotSingleton), qGuard: slot(slotGuard), qModuleGuard: slot(slotModuleGuard), qHandler: slot(slotHandler),
		qVersion: view(askVersion), qOwners: view(askOwners), qThreshold: view(askThreshold), qNonce: view(askNonce), qModules: view(askModules),
	}
	for _, c := range multi {
		calls = append(calls, chain.CodeCall(c.Address, chain.Latest))
	}
	return calls
}

// recognise decides what the contract is by its code and its singleton.
func (a *Account) recognise(t *Table, rs []chain.Result) error {
	code, err := rs[qCode].Bytes()
	if err != nil {
		return fmt.Errorf("its code: %w", err)
	}
	if len(code) == 0 {
		return ErrNoContract
	}
	singleton, err := slotAddress(rs[qSingleton])
	if errors.Is(err, errSlot) {
		return ErrNotSafe // another contract keeps something else there
	}
	if err != nil {
		return fmt.Errorf("its singleton: %w", err)
	}
	_, proxy := proxies[official.CodeHash(code)]
	c, known := t.Contract(a.Chain, singleton)
	version, said := saidVersion(rs[qVersion])
	switch {
	case !proxy:
		return ErrNotSafe
	case !known || c.Kind != Singleton && c.Kind != SingletonL2:
		if said {
			return &VersionError{version}
		}
		return ErrNotSafe
	case version != string(c.Version):
		return fmt.Errorf("its version is %q and its code that of %s: %w", version, c.Version, errAnswers)
	}
	a.Version, a.L2 = c.Version, c.Kind == SingletonL2
	return nil
}

// fill reads the answers of a contract that is a Safe: each has its one form.
func (a *Account) fill(rs []chain.Result) error {
	var errs [8]error
	var header *chain.Header
	header, errs[0] = rs[qBlock].Header()
	a.Guard, errs[1] = slotAddress(rs[qGuard])
	a.ModuleGuard, errs[2] = slotAddress(rs[qModuleGuard])
	a.FallbackHandler, errs[3] = slotAddress(rs[qHandler])
	a.Owners, errs[4] = owners(rs[qOwners])
	a.Threshold, errs[5] = number(rs[qThreshold])
	a.Nonce, errs[6] = number(rs[qNonce])
	a.Modules, a.MoreModules, errs[7] = modules(rs[qModules])
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("answer %d about a Safe: %w", i, err)
		}
	}
	if header == nil || a.Threshold == 0 || a.Threshold > uint64(len(a.Owners)) {
		return fmt.Errorf("%d of %d owners: %w", a.Threshold, len(a.Owners), errAnswers)
	}
	a.Block = header.Block
	return nil
}

// errSlot is a word of storage that is no address.
var errSlot = fmt.Errorf("storage that is no address: %w", errAnswers)

func slotAddress(r chain.Result) (asset.Address, error) {
	b, err := r.Bytes()
	if err != nil {
		return asset.Address{}, err
	}
	return wordAddress(b)
}

func wordAddress(b []byte) (asset.Address, error) {
	if len(b) != word || [word - 20]byte(b) != [word - 20]byte{} {
		return asset.Address{}, errSlot
	}
	return asset.Address(b[word-20:]), nil
}

// number reads an answer of one word that fits 64 bits.
func number(r chain.Result) (uint64, error) {
	b, err := r.Bytes()
	if err != nil {
		return 0, err
	}
	if len(b) != word || [word - 8]byte(b) != [word - 8]byte{} {
		return 0, errAnswers
	}
	return binary.BigEndian.Uint64(b[word-8:]), nil
}

// maxOwners bounds what is read: to check so many signatures no transaction has
// the gas.
const maxOwners = 5000

func owners(r chain.Result) ([]asset.Address, error) {
	b, err := r.Bytes()
	if err != nil {
		return nil, err
	}
	return list(b, 1, maxOwners)
}

// modules reads a page and whether it is not the last.
func modules(r chain.Result) ([]asset.Address, bool, error) {
	b, err := r.Bytes()
	if err != nil {
		return nil, false, err
	}
	page, err := list(b, 2, maxModules)
	if err != nil {
		return nil, false, err
	}
	next, err := wordAddress(b[word : 2*word])
	return page, !next.IsZero() && next != sentinel, err
}

// list reads a returned array of addresses behind so many words: each stands
// once, none is zero or the sentinel, and nothing follows.
func list(b []byte, head, limit int) ([]asset.Address, error) {
	r := reader{data: b}
	n := int(r.small(head))
	if r.failed || r.small(0) != uint64(head*word) || n > limit || len(b) != (head+1+n)*word {
		return nil, errAnswers
	}
	out := make([]asset.Address, n)
	seen := make(map[asset.Address]bool, n)
	for i := range out {
		from := (head + 1 + i) * word
		a, err := wordAddress(b[from : from+word])
		if err != nil || a.IsZero() || a == sentinel || seen[a] {
			return nil, errAnswers
		}
		out[i], seen[a] = a, true
	}
	return out, nil
}

// maxVersion is the longest version that is repeated in an error.
const maxVersion = 20

// saidVersion reads a returned string of printable characters, false if the
// answer is none.
func saidVersion(r chain.Result) (string, bool) {
	b, err := r.Bytes()
	if err != nil {
		return "", false
	}
	rd := reader{data: b}
	text := string(rd.bytes(0))
	if rd.failed || text == "" || len(text) > maxVersion {
		return "", false
	}
	for _, c := range text {
		if !unicode.IsPrint(c) {
			return "", false
		}
	}
	return text, true
}
