package official

import (
	"fmt"
	"math/big"

	"quittance/internal/asset"
	"quittance/internal/rail"
)

// selectorTransferFrom is transferFrom(address,address,uint256) of ERC-20.
var selectorTransferFrom = [4]byte{0x23, 0xb8, 0x72, 0xdd}

const pullSize = 4 + 3*word

// Pull is how a smart account gets what it pays with: it takes it from its owner,
// who has let it.
type Pull struct {
	Owner, Account asset.Address
	Token          asset.Address // the contract that is called
	Amount         *big.Int      // base units
}

// Encode returns the calldata for the token. Errors: ErrAmount.
func (p Pull) Encode() ([]byte, error) {
	w := newWriter(selectorTransferFrom, pullSize)
	w.address(p.Owner)
	w.address(p.Account)
	w.uint(p.Amount)
	return w.buf, w.err
}

// DecodePull reads what Encode writes, as strictly as DecodeApproval. The token is
// whatever contract is called with it, and left zero.
func DecodePull(data []byte) (Pull, error) {
	r := newReader(data, selectorTransferFrom, pullSize)
	p := Pull{Owner: r.address("owner"), Account: r.address("account"), Amount: r.uint()}
	if r.err != nil {
		return Pull{}, r.err
	}
	return p, nil
}

// Rehearsal is what a trial run begins with, so that an account pays which has no
// money and maybe no code yet: the owner's approval of exactly what is pulled, which
// stands for a permit or for an approval that was given before, and the pull itself.
type Rehearsal struct {
	Pull
	Allow []rail.Call // the owner's
	Take  rail.Call   // the account's, as its operation has it
}

// Rehearse builds the beginning of a trial run. resets tells that the token demands
// an allowance to be taken away before it is changed. Errors: ErrAmount.
func (p Pull) Rehearse(resets bool) (Rehearsal, error) {
	r := Rehearsal{Pull: p}
	amounts, kinds := []*big.Int{p.Amount}, []rail.CallKind{rail.Approve}
	if resets {
		amounts, kinds = []*big.Int{new(big.Int), p.Amount}, []rail.CallKind{rail.Reset, rail.Approve}
	}
	for i, amount := range amounts {
		data, err := Approval{Spender: p.Account, Amount: amount}.Encode()
		if err != nil {
			return Rehearsal{}, fmt.Errorf("what the account is allowed: %w", err)
		}
		r.Allow = append(r.Allow, rail.Call{Kind: kinds[i], To: p.Token, Data: data, Value: new(big.Int)})
	}
	data, err := p.Encode()
	if err != nil {
		return Rehearsal{}, fmt.Errorf("what the account takes: %w", err)
	}
	r.Take = rail.Call{Kind: "pull", To: p.Token, Data: data, Value: new(big.Int)}
	return r, nil
}

// Calls is how many calls of a trial run are the rehearsal's.
func (r Rehearsal) Calls() int { return len(r.Allow) + 1 }

// Refused says what is wrong with the outcomes of a whole trial run as far as it is
// about the owner, "" if nothing is: exactly the amount goes from him to the account,
// once, while it is pulled; nothing else of his leaves him, nobody else gets an
// allowance, and the account does nothing else before its own calls. What those do
// with the account's money is not looked at.
func (r Rehearsal) Refused(outcomes []SimulatedCall) string {
	if len(outcomes) < r.Calls() {
		return "The trial run has another number of transactions."
	}
	s := rehearsal{Rehearsal: r, owner: topicOf(r.Owner), account: topicOf(r.Account)}
	for i, c := range outcomes {
		s.phase = allowing
		if i == len(r.Allow) {
			s.phase = taking
		} else if i > len(r.Allow) {
			s.phase = paying
		}
		if !c.Succeeded && s.phase != paying {
			return "In a trial run the smart account cannot take the money from its owner."
		}
		for _, e := range c.Events {
			if why := s.event(e); why != "" {
				return why
			}
		}
	}
	if s.taken != 1 {
		return fmt.Sprintf("In a trial run the smart account takes money %d times instead of once.", s.taken)
	}
	return ""
}

// The phases of a trial run.
const (
	allowing = iota
	taking
	paying
)

type rehearsal struct {
	Rehearsal
	owner, account string // as indexed arguments
	phase          int
	taken          int
}

// topicApprovalForAll is ApprovalForAll(address,address,bool) of ERC-721 and ERC-1155.
const topicApprovalForAll = "0x17307eab39ab6107e8899845ad3d59bd9653f200f220920489ca2b5937696c31"

// watched tells whether what leaves somebody is looked at: the owner always, the
// account until its own calls begin.
func (s *rehearsal) watched(who string) bool {
	return who == s.owner || who == s.account && s.phase != paying
}

// event takes note of one event, or says why it must not happen.
func (s *rehearsal) event(e Event) string {
	if len(e.Topics) == 0 {
		return ""
	}
	switch e.Topics[0] {
	case TopicTransfer:
		return s.transfer(e)
	case topicTransferSingle, topicTransferBatch: // operator, from, to
		if len(e.Topics) > 2 && s.watched(e.Topics[2]) {
			return fmt.Sprintf("In a trial run tokens of %s leave the wallet.", e.Address)
		}
	case topicApproval:
		if len(e.Topics) < 3 || !s.watched(e.Topics[1]) {
			return ""
		}
		// Some tokens also tell what is left of an allowance that was used.
		if s.phase == paying || e.Address != s.Token || e.Topics[1] != s.owner || e.Topics[2] != s.account {
			return fmt.Sprintf("In a trial run somebody else gets an allowance over the wallet's %s.", e.Address)
		}
	case topicApprovalForAll:
		if len(e.Topics) > 1 && s.watched(e.Topics[1]) {
			return fmt.Sprintf("In a trial run somebody may take all of the wallet's %s.", e.Address)
		}
	}
	return ""
}

func (s *rehearsal) transfer(e Event) string {
	switch {
	case len(e.Topics) < 3:
		return fmt.Sprintf("In a trial run %s emits a transfer that cannot be read.", e.Address)
	case !s.watched(e.Topics[1]):
		return ""
	case s.phase != taking || e.Address != s.Token || len(e.Topics) != 3 || len(e.Data) != word || e.Topics[1] != s.owner || e.Topics[2] != s.account:
		return fmt.Sprintf("In a trial run something else of the wallet's leaves it: %s.", e.Address)
	case new(big.Int).SetBytes(e.Data).Cmp(s.Amount) != 0:
		return fmt.Sprintf("In a trial run the smart account takes %v, shown is %v.", new(big.Int).SetBytes(e.Data), s.Amount)
	}
	s.taken++
	return ""
}
