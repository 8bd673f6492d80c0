package bank

import (
	"strings"
	"unicode/utf8"
)

// MaxText is how many characters a transfer's remittance text may have.
const MaxText = 140

// isPlain reports whether a character is of the set that every bank of SEPA passes on
// (EPC217-08, section 1.1): letters and digits without accents, some signs, the blank.
func isPlain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/-?:().,'+ ", r)
}

// Plain writes a text in the characters that every bank passes on: accents and ligatures
// are resolved as in EPC217-08, and runs of blanks become one. It reports whether every
// character had a counterpart; if not, those that had none are left out.
func Plain(text string) (plain string, whole bool) {
	whole = true
	var b strings.Builder
	for _, r := range text {
		switch other, known := plainly[r]; {
		case isPlain(r):
			b.WriteRune(r)
		case known:
			b.WriteString(other)
		case r == utf8.RuneError || !blank(r):
			whole = false
		default:
			b.WriteByte(' ')
		}
	}
	return strings.Join(strings.Fields(b.String()), " "), whole
}

func blank(r rune) bool { return r == '\t' || r == '\n' || r == '\r' || r == '\u00a0' }

// plainly has the counterparts of characters that some banks do not pass on.
var plainly = func() map[rune]string {
	m := map[rune]string{
		'Ä': "AE", 'Ö': "OE", 'Ü': "UE", 'ä': "ae", 'ö': "oe", 'ü': "ue", 'ß': "ss", 'ẞ': "SS", 'Æ': "AE", 'æ': "ae", 'Œ': "OE", 'œ': "oe",
		'Þ': "TH", 'þ': "th", '&': "+", '_': "-", '–': "-", '—': "-", '‐': "-", '‑': "-", '‘': "'", '’': "'", '`': "'", '´': "'", '"': "'", '“': "'", '”': "'", '„': "'",
		'[': "(", ']': ")", '{': "(", '}': ")", '<': "(", '>': ")", ';': ",", '|': "/", '\\': "/", '*': ".", '#': ".", '%': ".", '=': ".", '$': ".", '!': ".", '~': "-", '^': ".",
		'@': "(at)", '…': "...", '€': "EUR", '·': ".", '№': "No.",
	}
	for plain, accented := range map[string]string{
		"A": "ÀÁÂÃÅĀĂĄ", "a": "àáâãåāăąª", "C": "ÇĆĈĊČ", "c": "çćĉċč", "D": "ĎĐÐ", "d": "ďđð", "E": "ÈÉÊËĒĔĖĘĚ", "e": "èéêëēĕėęě", "G": "ĜĞĠĢ", "g": "ĝğġģ",
		"H": "ĤĦ", "h": "ĥħ", "I": "ÌÍÎÏĨĪĬĮİ", "i": "ìíîïĩīĭįı", "J": "Ĵ", "j": "ĵ", "K": "Ķ", "k": "ķĸ", "L": "ĹĻĽĿŁ", "l": "ĺļľŀł",
		"N": "ÑŃŅŇ", "n": "ñńņň", "O": "ÒÓÔÕØŌŎŐ", "o": "òóôõøōŏőº", "R": "ŔŖŘ", "r": "ŕŗř", "S": "ŚŜŞŠȘ", "s": "śŝşšș", "T": "ŢŤŦȚ", "t": "ţťŧț",
		"U": "ÙÚÛŨŪŬŮŰŲ", "u": "ùúûũūŭůűų", "W": "Ŵ", "w": "ŵ", "Y": "ÝŶŸ", "y": "ýÿŷ", "Z": "ŹŻŽ", "z": "źżž",
	} {
		for _, r := range accented {
			m[r] = plain
		}
	}
	return m
}()
