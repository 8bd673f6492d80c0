package bank

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Reference is a creditor reference of ours (ISO 11649): "RF", two check digits and
// twelve characters. A letter that was misread gives none of ours, but with a chance of
// one in 97. It is no secret: who names another's reference pays for it.
type Reference string

const (
	// ownLetters are those of Crockford's base 32: no I, L, O and U, which are misread.
	ownLetters = digits + "ABCDEFGHJKMNPQRSTVWXYZ"
	ownLength  = 12
	refLength  = 4 + ownLength
)

// NewReference draws a reference, one of 2^60.
func NewReference() Reference {
	var b [ownLength]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime aborts instead
	for i := range b {
		b[i] = ownLetters[b[i]%byte(len(ownLetters))]
	}
	return reference(string(b[:]))
}

func reference(own string) Reference {
	return Reference(fmt.Sprintf("RF%02d%s", 98-mod97(own+"RF00"), own))
}

func isReference(s string) bool {
	return len(s) == refLength && s[:2] == "RF" && only(s[2:4], digits) && s[2:4] >= "02" && s[2:4] <= "98" &&
		only(s[4:], ownLetters) && mod97(s[4:]+s[:4]) == 1
}

// FindReferences returns all that may be references in the texts of one transfer, in
// order and each once. Banks break texts where they like, and payers put in blanks,
// hyphens and small letters: nothing but letters and digits counts, and a text's end is
// no boundary to a reference. So what it finds beside the right one can be there by
// chance: only a reference that somebody was given means anything.
func FindReferences(texts ...string) []Reference {
	var b strings.Builder
	for _, t := range texts {
		for i := range len(t) {
			switch c := t[i]; {
			case c >= '0' && c <= '9', c >= 'A' && c <= 'Z':
				b.WriteByte(c)
			case c >= 'a' && c <= 'z':
				b.WriteByte(c - 'a' + 'A')
			case c >= 0x80:
				b.WriteByte('*') // a letter that is in no reference: what is around it does not belong together
			}
		}
	}
	s := b.String()
	var found []Reference
	for i := 0; i+refLength <= len(s); i++ {
		if r := Reference(s[i : i+refLength]); s[i] == 'R' && isReference(s[i:i+refLength]) && !slices.Contains(found, r) {
			found = append(found, r)
		}
	}
	return found
}

// ErrText is a remittance text that cannot be made.
var ErrText = errors.New("the text is too long for a bank transfer, or has characters that banks do not pass on")

// CheckWords says whether words can stand before a reference in a remittance text.
//
// Errors: ErrText if they have characters without a counterpart, hold what could be a
// reference, or leave no room.
func CheckWords(words string) error {
	plain, whole := Plain(words)
	if !whole || plain != "" && len(plain)+1+refLength > MaxText || len(FindReferences(plain)) > 0 {
		return ErrText
	}
	return nil
}

// Remittance is the text that a payer gives to the bank: the merchant's own words and the
// reference. The words are written in the characters that every bank passes on.
//
// Errors: ErrText if the words are no good, or happen to form another reference together
// with this one: then a reference that is drawn anew will do.
func Remittance(words string, r Reference) (string, error) {
	if err := CheckWords(words); err != nil {
		return "", err
	}
	text := string(r)
	if plain, _ := Plain(words); plain != "" {
		text = plain + " " + text
	}
	if !slices.Equal(FindReferences(text), []Reference{r}) {
		return "", ErrText
	}
	return text, nil
}
