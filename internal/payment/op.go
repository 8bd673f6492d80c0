package payment

// Holder is the wallet that somebody holds and whose money a transfer is, EIP-55: the
// owner of the smart account that paid, for a user operation of the payment, else the
// transfer's payer. "" if not known. Whose an account is was derived from the owner
// when its operation was announced, so whatever the account pays is the owner's.
func (p *Payment) Holder(x Transfer) string {
	for _, a := range p.Attempts {
		if a.Op != nil && a.Payer == x.Evidence.Payer {
			return a.Op.Owner
		}
	}
	return x.Evidence.Payer
}
