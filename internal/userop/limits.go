package userop

import "math/big"

// roomForGas is what any limit of gas may be above twice an estimate: small ones differ
// more between bundlers.
const roomForGas = 50_000

// Around narrows limits to what an operation needs and what gas costs, as a bundler
// says of it now: twice that, because whoever made it may have asked another one.
// Limits hold for the largest operation; whoever made a smaller one could have the
// rest paid for, and bundle it himself: what an operation says it takes beforehand is
// paid to the bundler whether it does or not. What the bundler does not say is left as
// it is.
func (l Limits) Around(g Gas, f Fees) Limits {
	gas := func(limit, estimate *big.Int) *big.Int {
		if orZero(estimate).Sign() <= 0 {
			return limit
		}
		room := new(big.Int).Lsh(estimate, 1)
		return least(limit, room.Add(room, big.NewInt(roomForGas)))
	}
	l.CallGas = gas(l.CallGas, g.Call)
	l.VerificationGas, l.DeployGas = gas(l.VerificationGas, g.Verification), gas(l.DeployGas, g.Verification)
	l.PreVerificationGas = gas(l.PreVerificationGas, g.PreVerification)
	if g.PaymasterVerification != nil {
		l.PaymasterGas = gas(l.PaymasterGas, new(big.Int).Add(g.PaymasterVerification, orZero(g.PaymasterPostOp)))
	}
	if orZero(f.Max).Sign() > 0 {
		l.MaxFeePerGas = least(l.MaxFeePerGas, new(big.Int).Lsh(f.Max, 1))
	}
	return l
}

// least is the smaller of a limit, nil for nothing, and another one.
func least(limit, other *big.Int) *big.Int {
	if orZero(limit).Cmp(other) > 0 {
		return other
	}
	return limit
}
