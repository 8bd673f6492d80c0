package checkout

import (
	"context"
	"math/big"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// GaslessView is what a page needs to have a wallet's smart account pay.
type GaslessView struct {
	Option rail.Option
	Offer  GaslessOffer
	State  GaslessState
	Token  asset.Token // what the account takes of its owner
	Amount *big.Int    // base units of Token: exactly what the calls take
	Until  time.Time   // the latest deadline of a permit
	Calls  *rail.Calls // the account's
}

// GaslessAsker says who asks about an operation, and for which way to pay.
type GaslessAsker struct {
	Option string
	Wallet asset.Address // the connected wallet
	Own    bool          // it is a smart account itself, and asks for a paymaster (ERC-7677)
}

var errGaslessOff = fault.New(fault.Unavailable, "gasless_unavailable", "Paying without gas is not available at the moment.")

// GaslessView returns what it takes to pay an option by the smart account of a wallet.
//
// Faults: those of Prepare for the account as the payer; Unavailable
// "gasless_unavailable" where nobody pays for gas; Limited "gas_budget" for a payment
// that was tried too often; those of Gasless.Read.
func (s *Service) GaslessView(ctx context.Context, p *payment.Payment, optionID string, owner asset.Address) (GaslessView, error) {
	return GaslessView{}, errGaslessOff
}

// GaslessChain is the chain of the operations that pay an option, or paid it: it is
// told for a payment that is made, too. It asks nobody.
//
// Faults: NotFound "no_route".
func (s *Service) GaslessChain(ctx context.Context, p *payment.Payment, optionID string) (asset.ChainID, error) {
	return 0, errGaslessOff
}

// AnswerGasless answers a question about an operation that pays, as JSON: the result
// in the form of the question's method.
//
// An operation is sponsored only if it does nothing but pay this, for a wallet that may,
// within what may be spent; it is sent only if it was sponsored here, and that announces
// it: the payment cannot be paid otherwise until its end is known, or its hold is over.
//
// Faults: those of Prepare for the payer; Invalid with the name of a refused check;
// Limited "gas_budget"; Forbidden "op_unknown" for sending what was not sponsored here,
// or long ago; Conflict "op_over" for sending what has come to an end; NotFound
// "op_unknown" for asking about another's operation; those of Gasless.
func (s *Service) AnswerGasless(ctx context.Context, p *payment.Payment, by GaslessAsker, q GaslessQuestion) ([]byte, error) {
	return nil, errGaslessOff
}

// TrackGasless takes one look at what became of a user operation and records what there
// is to see; again is when to look again, zero if that has an end.
//
// Faults: NotFound; Invalid for arguments that are none.
func (s *Service) TrackGasless(ctx context.Context, args string) (again time.Time, err error) {
	return time.Time{}, errGaslessOff
}
