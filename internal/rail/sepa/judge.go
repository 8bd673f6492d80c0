package sepa

import (
	"quittance/internal/bank"
	"quittance/internal/bank/camt"
)

// Expected is a transfer that somebody was asked for.
type Expected struct {
	Handle  string    // names the payment to whoever asks, and means nothing here
	Account bank.IBAN // to which it was to go
	Missing int64     // cents; 0 or less if all is there
	Open    bool      // it can be paid: not used, canceled or deleted
}

// Outcome says what a booking means.
type Outcome string

// The outcomes. Money of the first four is somebody's: it counts for the payment with the
// reference, and what is too little or too much is told. The others are told and count
// for nobody: who decides is a person.
const (
	Exact     Outcome = "exact"
	Less      Outcome = "less"     // than is missing
	More      Outcome = "more"     // than is missing
	NotOpen   Outcome = "not_open" // for a payment that is made already, canceled or deleted
	Repeated  Outcome = "repeated" // it was read before
	Nameless  Outcome = "no_reference"
	Unknown   Outcome = "unknown_reference"
	Ambiguous Outcome = "ambiguous"     // it names several payments
	Elsewhere Outcome = "other_account" // to another account than was asked for
	TakenBack Outcome = "taken_back"    // the bank took a credit back
	Returned  Outcome = "returned"      // money that the merchant had sent came back
)

// Outcomes lists all of them, in the order in which a report tells of them.
func Outcomes() []Outcome {
	return []Outcome{Exact, Less, More, NotOpen, Nameless, Unknown, Ambiguous, Elsewhere, TakenBack, Returned, Repeated}
}

// Counts reports whether the money is to be recorded for the payment.
func (o Outcome) Counts() bool { return o == Exact || o == Less || o == More || o == NotOpen }

// Sentence says it to people.
func (o Outcome) Sentence() string {
	switch o {
	case Exact:
		return "The amount is right."
	case Less:
		return "It is less than was asked for; the rest is still missing."
	case More:
		return "It is more than was asked for."
	case NotOpen:
		return "The payment was not open any more."
	case Repeated:
		return "It was imported before."
	case Nameless:
		return "It names no reference."
	case Unknown:
		return "It names a reference that nobody was given."
	case Ambiguous:
		return "It names several payments; how to share it out is yours to say."
	case Elsewhere:
		return "It went to another account than was asked for."
	case TakenBack:
		return "The bank took money back that had come in."
	case Returned:
		return "Money that you had sent came back; nobody paid anything."
	}
	panic("sepa: no sentence for " + o)
}

// Verdict is one booking and what it means.
type Verdict struct {
	Entry     camt.Entry
	Outcome   Outcome
	Reference bank.Reference // "" if none is sure
	Expected  Expected       // of the reference, zero if there is none
	Missing   int64          // cents, what was missing before this booking
}

// Report is what a statement file means.
type Report struct {
	Verdicts []Verdict      // of every entry, in the file's order
	Skipped  []camt.Skipped // bookings that could not be read
}

// Judge says what the bookings of a file mean. find knows the references that were given
// out, seen the keys of bookings that were recorded. Bookings of one file for the same
// payment add up. Nothing is guessed: not a reference of which a letter is wrong, not a
// payment that happens to have the amount, not a share of a sum for two.
func Judge(f *camt.File, find func(bank.Reference) (Expected, bool), seen func(key string) bool) Report {
	var report Report
	here, came := map[string]bool{}, map[bank.Reference]int64{}
	for _, s := range f.Statements {
		report.Skipped = append(report.Skipped, s.Skipped...)
		for _, e := range s.Entries {
			v := judge(e, find, came)
			if here[e.Key] || seen(e.Key) {
				v.Outcome = Repeated
			}
			here[e.Key] = true
			if v.Outcome.Counts() {
				came[v.Reference] += e.Cents
			}
			report.Verdicts = append(report.Verdicts, v)
		}
	}
	return report
}

func judge(e camt.Entry, find func(bank.Reference) (Expected, bool), came map[bank.Reference]int64) Verdict {
	v := Verdict{Entry: e}
	known, named := 0, bank.FindReferences(e.Texts...)
	for _, r := range named {
		if x, ok := find(r); ok {
			known++
			v.Reference, v.Expected = r, x
		}
	}
	if known > 1 {
		v.Reference, v.Expected = "", Expected{}
	}
	if known == 1 {
		v.Missing = max(v.Expected.Missing-came[v.Reference], 0)
	}
	switch {
	case e.Kind == camt.TakenBack:
		v.Outcome = TakenBack
	case e.Kind == camt.Returned:
		v.Outcome = Returned
	case known > 1:
		v.Outcome = Ambiguous
	case known == 0 && len(named) > 0:
		v.Outcome = Unknown
	case known == 0:
		v.Outcome = Nameless
	case e.Account != v.Expected.Account:
		v.Outcome = Elsewhere
	case !v.Expected.Open || v.Missing == 0:
		v.Outcome = NotOpen
	case e.Cents < v.Missing:
		v.Outcome = Less
	case e.Cents > v.Missing:
		v.Outcome = More
	default:
		v.Outcome = Exact
	}
	return v
}
