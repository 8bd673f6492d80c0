package templates

// LockedPage is the page of a payment that is shown only to wallets that are
// let in, before one was: it says where the payment stands and how to go on,
// and nothing of what it is, to whom or from whom.
type LockedPage struct {
	Assets  Assets
	Data    LockedData
	State   string // one of StateOpen to StateBlocked
	Sandbox bool   // this server moves no real money
}

// LockedData is what the script reads from a locked page.
type LockedData struct {
	Token  string `json:"token"`
	State  string `json:"state"`
	Locked bool   `json:"locked"` // always true: tells it from Data
}

// title is the document's title and says the state only.
func (p *LockedPage) title() string {
	switch p.State {
	case StateOpen:
		return "Private payment"
	case StateSeen:
		return "Private payment, on its way"
	case StatePaid:
		return "Private payment, made"
	}
	return "Private payment, over"
}

// words say where the payment stands.
func (p *LockedPage) words() string {
	switch p.State {
	case StateOpen:
		return "Only certain wallets can see and pay it."
	case StateSeen:
		return "It has been paid and is being confirmed. Only certain wallets can see more."
	case StatePaid:
		return PaidTitle
	case StateExpired:
		return ExpiredText
	case StateCanceled:
		return "It was canceled."
	}
	return "It can no longer be made."
}
